"""The releases of all streams, with how many nodes run each. The structs are the published JSON of `fleet releases`
(`docs/schemas/releases.json`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct, UnsetType

from fleet.core.releases.release import Release, Stream, is_release
from fleet.core.releases.upgrade_path import UpgradePaths


class ListedRelease(Struct, frozen=True):
    """One release of a stream."""

    version: str
    nodes: int
    """The number of nodes in the pools of the stream that run it."""
    released: datetime | None = None
    """When it was published. None: the stream does not say."""
    age_seconds: int | None = None
    digest: str = ""
    digests: dict[str, str] = {}
    """By architecture."""
    kernel: str = ""
    kubelet: str = ""
    barrier: str | None = None
    """Why no node may skip the release; may be empty. None: it is no barrier."""
    dead_end: str | None = None
    """Why no upgrade leads away from the release; may be empty. None: it is no dead end."""
    offered: float = 1.0
    """The share of the machines, from 0.0 to 1.0, that the publisher offers the release to now."""
    offered_to_all: datetime | None = None
    """When the release is offered to all machines. None: it is, or that is not known."""
    route: tuple[str, ...] = ()
    """The releases that a node on this release boots one after the other, up to the newest. Empty: there is no way, or
    this is the newest."""


class ListedStream(Struct, frozen=True):
    """One stream."""

    name: str
    feed: str
    """The kind of the feed and where it is, or empty: the releases are in the policy."""
    releases: tuple[ListedRelease, ...]
    """Newest first."""
    target: str = ""
    """The newest release that is no dead end. Empty: there is none."""
    read_at: datetime | None = None
    """When the feed was last read. None: there is no feed, or it was never read."""
    changed_at: datetime | None = None
    """When its content was last another one."""
    problem: str = ""
    """Why the copy counts and not the feed as it is. Empty: it is as it was at `read_at`."""
    others: dict[str, int] = {}
    """The number of nodes in the pools of the stream that run a release which the stream does not have, by version."""
    unknown: int = 0
    """The number of nodes in the pools of the stream that do not report what they run."""


class ReleaseList(Struct, frozen=True):
    """The releases of all streams."""

    at: datetime
    streams: tuple[ListedStream, ...]


class FeedState(Struct, frozen=True):
    """Holds what is known of the feed of a stream."""

    feed: str
    read_at: datetime | None = None
    changed_at: datetime | None = None
    problem: str = ""


def release_list(
    streams: Sequence[Stream],
    booted: Mapping[str, Iterable[Release | None]],
    feeds: Mapping[str, FeedState],
    now: datetime,
) -> ReleaseList:
    """Returns the list. `booted`: what the nodes of each stream's pools report, by stream."""
    return ReleaseList(
        now,
        tuple(
            _stream(stream, tuple(booted.get(stream.name, ())), feeds.get(stream.name, FeedState("")), now)
            for stream in streams
        ),
    )


def _stream(stream: Stream, booted: Sequence[Release | None], feed: FeedState, now: datetime) -> ListedStream:
    counts, others = _counted(stream, [release for release in booted if release is not None])
    newest = stream.newest
    paths = UpgradePaths(stream, newest) if newest is not None else None
    return ListedStream(
        stream.name,
        feed.feed,
        tuple(
            _release(release, counts[release.version], paths, now) for release in reversed(stream.releases)
        ),
        newest.version if newest is not None else "",
        feed.read_at,
        feed.changed_at,
        feed.problem,
        dict(sorted(others.items())),
        sum(release is None for release in booted),
    )


def _counted(stream: Stream, booted: Sequence[Release]) -> tuple[Counter[str], Counter[str]]:
    """Returns the number of nodes on each release of the stream, and on each version that it does not have."""
    counts: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for reported, nodes in Counter(booted).items():
        known = (release.version for release in stream.releases if is_release(reported, release))
        version = next(known, None)
        if version is None:
            others[reported.version or reported.pin] += nodes
        else:
            counts[version] += nodes
    return counts, others


def _release(release: Release, nodes: int, paths: UpgradePaths | None, now: datetime) -> ListedRelease:
    released = None if isinstance(release.released, UnsetType) else release.released
    phasing = None if isinstance(release.rollout, UnsetType) else release.rollout
    whole = phasing.opens(1.0) if phasing is not None else None
    return ListedRelease(
        release.version,
        nodes,
        released,
        None if released is None else int((now - released).total_seconds()),
        release.digest,
        dict(release.digests),
        release.kernel,
        release.kubelet,
        None if isinstance(release.barrier, UnsetType) else release.barrier,
        None if isinstance(release.dead_end, UnsetType) else release.dead_end,
        1.0 if phasing is None else phasing.offered(now),
        whole if whole is not None and whole > now else None,
        tuple(hop.version for hop in paths.route(release)) if paths is not None else (),
    )
