"""A release: a version and the digests of its payload; and the stream that orders releases."""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from fleet.core.releases.phasing import Phasing


class Advisory(Struct, frozen=True, gc=False):
    """A security advisory that a release fixes, as the stream names it."""

    id: str
    """The advisory's name, such as `CVE-2026-12345`."""
    severity: str = ""
    """`critical`, `high`, `medium` or `low`; empty if the stream names none."""
    published: datetime | None = None
    """When the advisory was published; None if the stream does not say."""


class Release(Struct, frozen=True, gc=False):
    """A release in a stream, or the release that a host reports of one of its deployments.

    Only `is_release` decides whether two values stand for the same release.
    """

    version: str
    """Version as the stream or the host names it. Reported by a host: empty, or some other text such as the number of a
    snapshot, if the host has only a version that stays the same over several releases (a product's version, as in the
    os-release of SUSE Linux Micro). Such a version does not prove which release the host has."""
    digest: str = ""
    """Digest of the payload, such as `sha256:…`; empty if it is not reported, and then the version decides. For an
    image: the digest of its manifest; if the image has several architectures, a stream has the digest of the image
    index and a host reports the digest of its own architecture's manifest. For an ostree deployment: the commit,
    without layered packages."""
    kernel: str = ""
    """Kernel that the release boots; empty if the stream lists none."""
    kubelet: str = ""
    """Version of the kubelet in the release, such as `v1.36.3`; empty if the release has none, or the stream lists
    none."""
    reference_digest: str = ""
    """The digest in a host's image reference (`REPOSITORY@sha256:…`) by which the deployment was staged or is to be staged,
    possibly the digest of an image index; empty if the reference has no digest, or has `digest`."""
    digests: tuple[tuple[str, str], ...] = ()
    """In a stream: architecture and digest of each architecture's manifest or commit, sorted by architecture.
    Architectures have the names that Go and Kubernetes use (`amd64`, `arm64`)."""
    released: datetime | UnsetType = UNSET
    """In a stream: when the release was published. Left out if the stream does not say: fleet does not guess it from
    the version."""
    advisories: tuple[Advisory, ...] | UnsetType = UNSET
    """In a stream: the security advisories that the release fixes. Left out if the stream names none."""
    barrier: str | UnsetType = UNSET
    """In a stream: the reason why no upgrade may skip this release. Every node that runs an older release has to boot
    this one before it goes further. Left out if the release is no barrier; empty if the stream gives no reason."""
    dead_end: str | UnsetType = UNSET
    """In a stream: the reason why no upgrade leads away from this release. Left out if the release is no dead end; empty
    if the stream gives no reason."""
    rollout: Phasing | UnsetType = UNSET
    """In a stream: how the project that publishes the release offers it to more and more machines. Left out if the
    release is offered to all."""
    upgrades_from: tuple[str, ...] | UnsetType = UNSET
    """In a stream: the versions from which a machine may go directly to this one, where a feed lists them. Left out if
    that follows from the order of the stream and its barriers."""

    @property
    def pin(self) -> str:
        """The digest by which a host fetches this release; empty if the release has none. The digest of an image index
        is preferred to that of a manifest: the host chooses its manifest from the index, and the index is what is
        signed."""
        return self.reference_digest or self.digest

    @property
    def known_by(self) -> frozenset[str]:
        """All digests by which the release is known."""
        named = (self.digest, self.reference_digest, *(digest for _, digest in self.digests))
        return frozenset(digest for digest in named if digest)


def is_release(reported: Release | None, wanted: Release) -> bool:
    """Reports whether `reported` is the release `wanted`.

    If both have digests, they are the same release exactly if they have a digest in common, whatever their versions
    are: an image may have no version, or the version of its base image. If one of them has no digest, equal versions
    decide, compared as whole texts; an empty version equals no other.
    """
    if reported is None:
        return False
    if reported.digest and reported.digest == wanted.digest:
        return True
    if reported.known_by and wanted.known_by:
        return not reported.known_by.isdisjoint(wanted.known_by)
    return bool(reported.version) and reported.version == wanted.version


def distinct_name(release: Release | None, other: Release | None) -> str:
    """Returns the name of the release for a sentence that may also name `other`: its version, with its digest if the
    two are different releases of the same version."""
    if release is None:
        return "nothing known"
    alike = other is not None and release.version == other.version and not is_release(release, other)
    if release.version and not alike:
        return release.version
    return " ".join(part for part in (release.version, release.pin) if part) or "a release without a name"


STREAM_ONLY = ("released", "advisories", "barrier", "dead_end", "rollout", "upgrades_from")
"""Fields that a release has in a stream alone."""


def bare(release: Release) -> Release:
    """Returns the release without what only a stream has."""
    if all(getattr(release, name) is UNSET for name in STREAM_ONLY):
        return release
    return replace(release, **dict.fromkeys(STREAM_ONLY, UNSET))


def built_for(release: Release, architecture: str) -> Release | None:
    """Returns the release of a stream in the form that fleet requests of a host of this architecture, and that the host
    reports once the release is staged. None if the release has no payload for such a host. `architecture` is empty if
    it is not known. What only a stream has is left out, such as dates and advisories: that is not for hosts."""
    release = bare(release)
    if not release.digests:
        return release
    own = dict(release.digests).get(architecture, "")
    if not own:
        return replace(release, digests=()) if release.digest else None
    return replace(release, digest=own, reference_digest=release.digest, digests=())


class Stream(Struct, frozen=True):
    """The releases of an operating system in their order, oldest first."""

    name: str
    releases: tuple[Release, ...] = ()

    def find(self, version: str) -> Release | None:
        """Returns the release with this version; None if the stream has none."""
        return next((release for release in self.releases if release.version == version), None)

    @property
    def newest(self) -> Release | None:
        """The newest release that is no dead end; None if there is none."""
        return next((release for release in reversed(self.releases) if release.dead_end is UNSET), None)
