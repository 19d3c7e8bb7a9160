"""Release feeds: where a stream gets its releases from, the last copy of a feed, and which new content is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from fleet.core.releases.release import Release

MOST_RELEASES = 2000
MOST_TEXT = 256


class FedoraCoreosFeed(Struct, frozen=True, tag="fedora-coreos"):
    """The release index and the update metadata of a stream of Fedora CoreOS."""

    stream: str
    url: str = "https://builds.coreos.fedoraproject.org"
    payload: Literal["checksum", "oci"] = "checksum"
    """The digests that hosts report: those of ostree commits, or those of container images."""


class CincinnatiFeed(Struct, frozen=True, tag="cincinnati"):
    """The update graph of a Cincinnati server, one for each architecture."""

    graphs: tuple[tuple[str, str], ...]
    """Architecture and URL, sorted by architecture."""


class FlatcarFeed(Struct, frozen=True, tag="flatcar"):
    """The list of releases of a channel of Flatcar."""

    channel: str
    url: str = "https://www.flatcar.org/releases-json"
    keyring: str = ""
    """Path of a file with the public keys of Flatcar, in the binary form that gpgv reads. Releases that are newer than the
    one in the signed version.txt of the channel do not count. Empty: nothing is verified."""
    signed: str = ""
    """URL of the folder with version.txt and its signature; empty: Flatcar's own of the channel."""


class ImageFeed(Struct, frozen=True, tag="image"):
    """The tags of a repository in a container registry."""

    repository: str
    """The registry's host with the path of the repository: `quay.io/fedora/fedora-bootc`."""
    tags: str = r"v?[0-9]+(\.[0-9]+)*"
    """Regular expression of the whole tags that are releases."""
    newest: int = 20
    """How many of them are read, the newest by their numbers."""


class ListFeed(Struct, frozen=True, tag="list"):
    """A list of releases in fleet's own form, as YAML or JSON."""

    url: str


FeedSource = FedoraCoreosFeed | CincinnatiFeed | FlatcarFeed | ImageFeed | ListFeed


class StreamFeed(Struct, frozen=True):
    """A stream of the policy that gets its releases from a feed."""

    stream: str
    source: FeedSource


class FeedCopy(Struct, frozen=True):
    """The last content of a feed that was accepted."""

    source: FeedSource
    """The feed as the policy described it then."""
    releases: tuple[Release, ...]
    """Oldest first."""
    read_at: datetime
    """When the feed last answered with this content."""
    changed_at: datetime
    """When this content was read for the first time."""


def refusal(before: Sequence[Release], after: Sequence[Release]) -> str:
    """Returns why the new content of a feed is not accepted in place of the copy; empty if it is.

    A feed never becomes older: a server whose list is incomplete, or another server under its name, would else move a
    fleet to an old release. A version keeps its digests: one that has others is another payload under a known name.
    """
    if wrong := _malformed(after):
        return wrong
    known = {release.version: release for release in after}
    if before and before[-1].version not in known:
        return f"it offers {after[-1].version} and no longer has {before[-1].version}, which it had before"
    for release in before:
        now = known.get(release.version)
        if now is not None and _other_payload(release, now):
            return f"{release.version} had the digest {_shown(release)}, and has {_shown(now)} now"
    return ""


def _malformed(releases: Sequence[Release]) -> str:
    """Returns what no release may have; empty if there is nothing of the kind. The texts of a feed are shown to users, and
    are part of plans."""
    if not releases:
        return "it has no releases"
    if len(releases) > MOST_RELEASES:
        return f"it has more than {MOST_RELEASES} releases"
    versions = [release.version for release in releases]
    if len(set(versions)) < len(versions):
        return (
            f"it has {next(version for version in versions if versions.count(version) > 1)!r} more than once"
        )
    for release in releases:
        texts = (
            release.version,
            release.kernel,
            release.kubelet,
            release.barrier or "",
            release.dead_end or "",
        )
        if not release.version or any(len(text) > MOST_TEXT or not text.isprintable() for text in texts):
            return f"a text of release {release.version[:MOST_TEXT]!r} cannot be shown, or is too long"
    return ""


def merged(before: Sequence[Release], after: Sequence[Release]) -> tuple[Release, ...]:
    """Returns the new content, with the dates that only the copy has: some feeds name the date of a release only while it
    is new."""
    dates: dict[str, datetime | UnsetType] = {release.version: release.released for release in before}
    return tuple(
        replace(release, released=dates.get(release.version, UNSET)) if release.released is UNSET else release
        for release in after
    )


def _other_payload(before: Release, after: Release) -> bool:
    """Reports whether a digest of the release has changed. Another architecture may be added, or left out."""
    old, new = dict(before.digests), dict(after.digests)
    if any(old[name] != new[name] for name in old.keys() & new.keys()):
        return True
    # The digest of an index changes with each architecture that is added.
    return (
        bool(before.digest and after.digest) and before.digest != after.digest and not old.keys() ^ new.keys()
    )


def _shown(release: Release) -> str:
    return release.digest or ", ".join(f"{name} {digest}" for name, digest in release.digests)
