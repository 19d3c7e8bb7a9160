"""Reads release streams: written in the policy, or in a feed file beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from msgspec import UNSET, UnsetType

from fleet.config.document import forms, time_forms
from fleet.config.document.findings import Findings, TooMany
from fleet.config.document.fragment import MOST_BYTES, Block, compose, shown
from fleet.config.document.reader import Reader
from fleet.config.feed import copied, copy_of, feed_source
from fleet.core.releases.kernel import architecture_of
from fleet.core.releases.phasing import EPOCH, Phasing
from fleet.core.releases.release import Advisory, Release, Stream
from fleet.core.text.encoding import decoded

SEVERITY = forms.one_of_these(("critical", "high", "medium", "low"), "critical, high, medium or low")
EVER = datetime.min.replace(tzinfo=UTC)
ReleaseList = tuple[Release, ...]


def text_of(path: Path) -> str:
    """Returns the text of a file, in UTF-8 or as its byte order mark says. Raises OSError, and ValueError (with its
    message) for a file that cannot be a policy or a feed."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if not path.is_file():
        raise ValueError("is not a file")
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES >> 20} MiB")
    try:
        return decoded(content)
    except UnicodeDecodeError as wrong:
        raise ValueError(f"is not {wrong.encoding.upper()} (byte {wrong.start})") from None


def streams(reader: Reader, folder: Path) -> tuple[Stream, ...]:
    """Reads the streams. Paths of feed files are relative to `folder`."""
    found: dict[str, Stream] = {}
    files: dict[str, ReleaseList] = {}
    first: dict[str, tuple[Release, str]] = {}
    for block in reader.blocks("streams"):
        name = block.required("name", forms.NAME, "")
        if name and name in found:
            block.problem("expected each name once, found it again", "name")
        stream = Stream(name, _releases_of(block, name, folder, files))
        for release in stream.releases:
            if not release.known_by:
                continue
            known, other = first.setdefault(release.version, (release, name))
            if (known.digest, known.digests) != (release.digest, release.digests):
                block.problem(
                    f"expected one digest of {shown(release.version)}, found another one in stream {other}"
                )
        found[name] = stream
    return tuple(found.values())


def _releases_of(reader: Reader, name: str, folder: Path, files: dict[str, ReleaseList]) -> ReleaseList:
    written = _releases(reader, required=reader.has("releases"))
    file = reader.value("file", forms.TEXT, "")
    feed = reader.block("feed")
    source = feed_source(feed, folder) if reader.has("feed") else None
    given = [key for key in ("releases", "file", "feed") if reader.has(key)]
    if not given:
        reader.problem("expected releases, file or feed, found none of them")
    for key in given[1:]:
        reader.problem(f"expected one of releases, file and feed, found {given[0]} too", key)
    if source is not None and name:
        reader.findings.release_feeds[name] = source
        return copied(reader, copy_of(folder, name), source)
    if file and file not in files:
        files[file] = _in_file(reader, folder / file)
    return files[file] if file else written


def releases_in(text: str, name: str) -> tuple[ReleaseList, list[str]]:
    """Returns the releases in a text of fleet's own form, YAML or JSON, and its mistakes. `name` is what messages call
    it."""
    findings = Findings()
    try:
        document = compose(text, name, findings)
        if not isinstance(document, Block):
            return (), findings.problems or [f"{name}: expected a mapping with the key releases, found none"]
        reader = Reader(document, name, findings, pattern="file")
        found = _releases(reader, required=True)
        reader.close()
    except TooMany:
        found = ()
    return found, findings.problems


def _in_file(reader: Reader, path: Path) -> ReleaseList:
    try:
        text = text_of(path)
    except (OSError, ValueError) as wrong:
        why = "does not exist" if isinstance(wrong, FileNotFoundError) else str(wrong)
        reader.problem(f"expected a feed, found that {shown(str(path))} {why}", "file")
        return ()
    document = compose(text, str(path), reader.findings)
    if not isinstance(document, Block):
        reader.problem("expected a feed, a mapping with the key releases, found none", "file")
        return ()
    feed = Reader(document, str(path), reader.findings, pattern="file")
    releases = _releases(feed, required=True)
    feed.close()
    return releases


def _releases(reader: Reader, required: bool) -> ReleaseList:
    """Reads the releases, oldest first."""
    found: dict[str, Release] = {}
    twins: dict[str, Release] = {}
    for block in reader.blocks("releases", required):
        version = block.required("version", forms.VERSION, "")
        if version and version in found:
            block.problem("expected each version once, found it again", "version")
        digest = block.value("digest", forms.DIGEST, "")
        digests = _digests(block, digest)
        kernel = block.value("kernel", forms.TEXT, "")
        if len(digests) > 1 and architecture_of(kernel):
            block.problem(
                f"expected a kernel without an architecture, since digests has several, found {shown(kernel)}",
                "kernel",
            )
        kubelet = block.value("kubelet", forms.KUBELET, "")
        release = Release(
            version,
            digest,
            kernel,
            kubelet,
            digests=digests,
            released=_released(block),
            advisories=_advisories(block),
            barrier=block.value("barrier", forms.TEXT, "") or UNSET,
            dead_end=block.value("dead_end", forms.TEXT, "") or UNSET,
            rollout=_phasing(block),
            upgrades_from=_upgrades_from(block, found),
        )
        if twin := next((twins[digest] for digest in sorted(release.known_by) if digest in twins), None):
            message = f"{shown(version)} has a digest of {shown(twin.version)}: fleet cannot tell the two releases apart"
            block.caution(message, "digest")
        found[version] = release
        for digest in release.known_by:
            twins.setdefault(digest, release)
    return tuple(found.values())


def _released(reader: Reader) -> datetime | UnsetType:
    """Returns when the release was published."""
    return _moment(reader, "released") or UNSET


def _phasing(reader: Reader) -> Phasing | UnsetType:
    """Returns how the publisher offers the release."""
    if not reader.has("rollout"):
        reader.block("rollout")
        return UNSET
    block = reader.block("rollout")
    seconds = block.value("duration", forms.seconds(60), 0)
    return Phasing(
        block.value("start", time_forms.moment("UTC"), EPOCH),
        block.value("share", forms.SHARE, 0.0),
        seconds // 60 or None,
    )


def _upgrades_from(reader: Reader, older: Mapping[str, Release]) -> tuple[str, ...] | UnsetType:
    versions = reader.values("upgrades_from", forms.VERSION)
    for version in versions:
        if version not in older:
            reader.problem(
                f"expected a version that comes before it in the stream, found {shown(version)}",
                "upgrades_from",
            )
    return versions or UNSET


def _advisories(reader: Reader) -> tuple[Advisory, ...] | UnsetType:
    found: dict[str, Advisory] = {}
    for block in reader.blocks("advisories"):
        name = block.required("id", forms.TEXT, "")
        if name and name in found:
            block.problem("expected each id once, found it again", "id")
        found[name] = Advisory(name, block.value("severity", SEVERITY, ""), _moment(block, "published"))
    return tuple(found.values()) or UNSET


def _moment(reader: Reader, key: str) -> datetime | None:
    """Returns the moment; None without the key. A day without a time begins at midnight UTC."""
    found = reader.value(key, time_forms.moment("UTC"), EVER)
    return None if found is EVER else found


def _digests(reader: Reader, index: str) -> tuple[tuple[str, str], ...]:
    """Returns the digests by architecture, in the order of the architectures. `index` is the release's digest, by
    which hosts of all architectures would fetch the image."""
    read = reader.pairs("digests", forms.ARCHITECTURE, forms.DIGEST)
    found = tuple(sorted((name, digest) for name, digest in read.items() if name and digest))
    known: dict[str, str] = {}
    for name, digest in found:
        if digest == index:
            reader.problem(f"expected the digest of an index, or none, found that of {name}", "digest")
        elif digest in known:
            reader.problem(
                f"expected another digest for each, found one for {known[digest]} and {name}", "digests"
            )
        known[digest] = name
    return found
