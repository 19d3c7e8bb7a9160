"""Reads the release feeds of the policy. Only content that can be read and is accepted takes the place of the last
copy."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from fleet.app.wiring.home import Home
from fleet.app.wiring.names import there_is
from fleet.config.feed import CopyFiles, copy_of, read_copy
from fleet.config.policy import load_file
from fleet.config.stream import releases_in
from fleet.core.jobs.job import JobRun
from fleet.core.records.errors import FleetError, UsageError
from fleet.core.releases.feed import FeedCopy, FeedSource, ListFeed, StreamFeed, merged, refusal
from fleet.core.releases.release import Release
from fleet.core.text.encoding import decoded
from fleet.core.text.visible import visible
from fleet.feeds.documents import Document, Documents
from fleet.feeds.errors import FeedError
from fleet.feeds.feeds import read_feed
from fleet.system.files import beside

PRIVATE = 0o600
ACCEPT = "fleet releases sync --accept STREAM, if that is intended"


class SyncedFeed(Struct, frozen=True):
    """Tells what became of one feed."""

    stream: str
    releases: int
    """The number of releases in the copy that counts now."""
    new: tuple[str, ...] = ()
    """Versions that the copy did not have before, oldest first."""
    problem: str = ""
    """Why the feed could not be read, or was not accepted. Empty: it was."""
    read_at: datetime | None = None
    """When the copy was last read. None: there is none."""


def sync_feeds(
    home: Home, streams: Sequence[str] = (), accept: Collection[str] = ()
) -> tuple[SyncedFeed, ...]:
    """Reads the feeds of these streams; without any, all feeds. `accept`: streams whose new content is accepted even if it
    is older, or has other digests, than the copy.

    Raises ConfigError for a policy with mistakes, and UsageError without a policy and for a stream without a feed.
    """
    home.read_policy()
    feeds = load_file(home.policy_file)[0].release_feeds
    known = [feed.stream for feed in feeds]
    for name in (*streams, *accept):
        if name not in known:
            raise UsageError(f"no stream {name} with a feed is in the policy", there_is(known, name))
    chosen = [feed for feed in feeds if not streams or feed.stream in streams]
    return tuple(_sync(home, feed, feed.stream in accept) for feed in chosen)


def run_job(home: Home, run: JobRun) -> str:
    """Reads all feeds, and returns what is new. Raises FleetError, after all were read, if one could not be read or was not
    accepted."""
    found = sync_feeds(home)
    if problems := [f"{feed.stream}: {feed.problem}" for feed in found if feed.problem]:
        raise FleetError("; ".join(problems), "fleet releases shows which copies count")
    return (
        "; ".join(f"{feed.stream}: new {', '.join(feed.new)}" for feed in found if feed.new) or "nothing new"
    )


def _sync(home: Home, feed: StreamFeed, accepted: bool) -> SyncedFeed:
    files = copy_of(home.policy_file.absolute().parent, feed.stream)
    before = read_copy(files.copy, feed.source)
    known = before.releases if before is not None else ()
    try:
        files.copy.parent.mkdir(mode=0o700, exist_ok=True)
        documents = Documents(_documents(files.documents))
        found = merged(known, _read(feed.source, documents))
        why = refusal(() if accepted else known, found)
        if why:
            raise FeedError(f"{why}: refused; {ACCEPT.replace('STREAM', feed.stream)}")
        _write_copy(files, feed.source, before, found, documents, home.now())
    except FeedError as error:
        problem = visible(str(error))
        _note(home, files.error, problem)
        return SyncedFeed(
            feed.stream, len(known), problem=problem, read_at=before.read_at if before is not None else None
        )
    except OSError as error:
        problem = f"the copy is not written: {error.strerror or error}"
        return SyncedFeed(feed.stream, len(known), problem=problem)
    versions = {release.version for release in known}
    new = tuple(release.version for release in found if release.version not in versions)
    return SyncedFeed(feed.stream, len(found), new, read_at=home.now())


def _read(source: FeedSource, documents: Documents) -> tuple[Release, ...]:
    """Returns the releases of the feed. Raises FeedError."""
    if not isinstance(source, ListFeed):
        return read_feed(source, documents)
    try:
        text = decoded(documents.get(source.url).body)
    except UnicodeDecodeError as wrong:
        raise FeedError(f"it is not {wrong.encoding.upper()}") from None
    found, problems = releases_in(text, "feed")
    if problems:
        raise FeedError(problems[0])
    return found


def _write_copy(
    files: CopyFiles,
    source: FeedSource,
    before: FeedCopy | None,
    found: tuple[Release, ...],
    documents: Documents,
    now: datetime,
) -> None:
    same = before is not None and before.releases == found
    copy = FeedCopy(source, found, now, before.changed_at if same and before is not None else now)
    # The documents come first: with an older copy beside them the feed is asked again, and read from them.
    _write(files.documents, msgspec.msgpack.encode(documents.read))
    _write(files.copy, msgspec.json.encode(copy))
    files.error.unlink(missing_ok=True)


def _documents(path: Path) -> dict[str, Document]:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=dict[str, Document])
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return {}


def _note(home: Home, path: Path, problem: str) -> None:
    try:
        _write(path, problem.encode())
    except OSError as error:
        home.warn(f"the problem of a feed is not written down: {error.strerror or error}")


def _write(path: Path, content: bytes) -> None:
    with beside(path, content, PRIVATE) as made:
        made.replace(path)
