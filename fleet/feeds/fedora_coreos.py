"""Reads a stream of Fedora CoreOS: its release index and its update metadata.

Both are what Fedora's own Cincinnati server builds its graph of (https://github.com/coreos/fedora-coreos-cincinnati): the
index has the order of the releases and their payloads, the updates have barriers, dead ends and phased rollouts.
"""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import UNSET, Struct, UnsetType, field

from fleet.core.releases.feed import FedoraCoreosFeed
from fleet.core.releases.phasing import EPOCH, Phasing
from fleet.core.releases.release import Release
from fleet.feeds.documents import Documents
from fleet.feeds.errors import FeedError
from fleet.feeds.payload import architecture, digest_in, sha256

LATEST = 32_503_680_000
"""The year 3000, in seconds since 1970: with what a rollout may take it is still a date."""


class Commit(Struct, frozen=True):
    """An ostree commit of the index."""

    architecture: str
    checksum: str


class OciImage(Struct, frozen=True):
    """A container image of the index."""

    architecture: str
    reference: str = field(name="digest-ref")
    """`REPOSITORY@sha256:…`"""


class IndexedRelease(Struct, frozen=True):
    """A release of the index."""

    version: str
    commits: tuple[Commit, ...] = ()
    images: tuple[OciImage, ...] | None = field(default=None, name="oci-images")


class ReleaseIndex(Struct, frozen=True):
    """`releases.json`: all releases of a stream, oldest first."""

    releases: tuple[IndexedRelease, ...]


class UpdateReason(Struct, frozen=True):
    """A barrier or dead end."""

    reason: str = ""


class UpdateRollout(Struct, frozen=True):
    """A phased rollout."""

    start_epoch: int = 0
    start_percentage: float = 0.0
    """A share, from 0.0 to 1.0, in spite of its name."""
    duration_minutes: int | None = None


class UpdateMetadata(Struct, frozen=True):
    """Says what is special about a release."""

    barrier: UpdateReason | None = None
    deadend: UpdateReason | None = None
    rollout: UpdateRollout | None = None


class UpdatedRelease(Struct, frozen=True):
    """A release of the update metadata."""

    version: str
    metadata: UpdateMetadata


class StreamUpdates(Struct, frozen=True):
    """`updates/STREAM.json`: the releases of a stream about which there is something special."""

    stream: str
    releases: tuple[UpdatedRelease, ...]


def read(feed: FedoraCoreosFeed, documents: Documents) -> tuple[Release, ...]:
    """Returns the releases of the stream, oldest first. Raises FeedError."""
    index = documents.decode(f"{feed.url}/prod/streams/{feed.stream}/releases.json", ReleaseIndex)
    updates = documents.decode(f"{feed.url}/updates/{feed.stream}.json", StreamUpdates)
    if updates.stream != feed.stream:
        raise FeedError(f"its update metadata are those of stream {updates.stream[:40]}")
    special = {release.version: release.metadata for release in updates.releases}
    return tuple(
        _release(release, special.get(release.version, UpdateMetadata()), feed.payload)
        for release in index.releases
    )


def _release(indexed: IndexedRelease, updates: UpdateMetadata, payload: str) -> Release:
    if payload == "oci":
        digests = {
            architecture(each.architecture): digest_in(each.reference) for each in indexed.images or ()
        }
    else:
        # An architecture that a release was not built for has no checksum.
        commits = [each for each in indexed.commits if each.checksum]
        digests = {architecture(each.architecture): sha256(each.checksum) for each in commits}
    rollout = phasing(updates.rollout)
    begins = not isinstance(rollout, UnsetType) and rollout.start > EPOCH
    return Release(
        indexed.version,
        digests=tuple(sorted(digests.items())),
        released=rollout.start if begins and not isinstance(rollout, UnsetType) else UNSET,
        barrier=UNSET if updates.barrier is None else updates.barrier.reason,
        dead_end=UNSET if updates.deadend is None else updates.deadend.reason,
        rollout=rollout,
    )


def phasing(rollout: UpdateRollout | None) -> Phasing | UnsetType:
    """Returns the phased rollout. Raises FeedError."""
    if rollout is None:
        return UNSET
    if not 0 <= rollout.start_epoch <= LATEST or not 0.0 <= rollout.start_percentage <= 1.0:
        raise FeedError("a rollout has a start or a percentage that cannot be")
    if rollout.duration_minutes is not None and not 0 <= rollout.duration_minutes <= 10_000_000:
        raise FeedError("a rollout has a duration that cannot be")
    start = datetime.fromtimestamp(rollout.start_epoch, UTC)
    return Phasing(start, rollout.start_percentage, rollout.duration_minutes)
