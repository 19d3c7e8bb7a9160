"""A release: a version and the digests of its payload; and the stream that orders releases."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace


class Release(Struct, frozen=True, gc=False):
    """What a stream says of a release, or what a host tells of a deployment that it has.

    Whether the two are one is decided by `is_release` and nowhere else.
    """

    version: str
    """As the stream and the host name it. On what a host tells: empty, or some other text such as a snapshot's number,
    where all that the host has is a version that stays the same over several releases (a product's, as in the
    os-release of SUSE Linux Micro): such a version proves nothing."""
    digest: str = ""
    """Such as `sha256:…`. Of an image: what its manifest is addressed by; where one image has several architectures the
    stream tells the digest of the index over them, and a host that of its own architecture's manifest. Of an ostree
    deployment: the commit, without what was layered on it. Empty where it is not told: then the version is proof."""
    kernel: str = ""
    """The kernel that this release boots; empty where the stream does not tell it."""
    kubelet: str = ""
    """Version of the kubelet that it brings, such as `v1.36.3`; empty: it brings none, or the stream does not tell."""
    reference_digest: str = ""
    """On what a host tells, or is asked for: the digest in the reference by which the deployment was staged, or is to be
    (`REPOSITORY@sha256:…`), which may be that of an index; empty where the reference has none, or has `digest`."""
    digests: tuple[tuple[str, str], ...] = ()
    """On what a stream says: digests by architecture, in the order of the architectures, which are named as Go and
    Kubernetes name them (`amd64`, `arm64`): of each architecture's manifest, or of its commit."""

    @property
    def pin(self) -> str:
        """The digest by which a host that is asked for this release is to fetch it. An index is preferred to one of its
        manifests: the host chooses from it, and it is what is signed. Empty: it has none."""
        return self.reference_digest or self.digest

    @property
    def known_by(self) -> frozenset[str]:
        """Every digest by which it is told."""
        named = (self.digest, self.reference_digest, *(digest for _, digest in self.digests))
        return frozenset(digest for digest in named if digest)


def is_release(found: Release | None, wanted: Release) -> bool:
    """Reports whether the two are one release.

    Where both tell a digest, they are one if and only if they have a digest in common, whatever their versions are: an
    image may tell no version, or that of the image that it was built on. Where one of the two tells none, equal
    versions decide, as whole texts; an empty version equals none.
    """
    if found is None:
        return False
    if found.digest and found.digest == wanted.digest:
        return True
    if found.known_by and wanted.known_by:
        return not found.known_by.isdisjoint(wanted.known_by)
    return bool(found.version) and found.version == wanted.version


def told_from(release: Release | None, other: Release | None) -> str:
    """The release for a sentence that may also name the other: by its version, and by its digest where the two are not
    one release and only that says so."""
    if release is None:
        return "nothing known"
    alike = other is not None and release.version == other.version and not is_release(release, other)
    if release.version and not alike:
        return release.version
    return " ".join(word for word in (release.version, release.pin) if word) or "a release without a name"


def built_for(release: Release, architecture: str) -> Release | None:
    """What a stream says of a release, as a host of this architecture will tell it once it has written it: that is asked
    of it. None: the release has no payload for such a host. `architecture` is empty where it is not known.
    """
    if not release.digests:
        return release
    own = dict(release.digests).get(architecture, "")
    if not own:
        return replace(release, digests=()) if release.digest else None
    return replace(release, digest=own, reference_digest=release.digest, digests=())


class Stream(Struct, frozen=True):
    """Oldest first."""

    name: str
    releases: tuple[Release, ...] = ()

    def find(self, version: str) -> Release | None:
        return next((release for release in self.releases if release.version == version), None)

    @property
    def newest(self) -> Release | None:
        return self.releases[-1] if self.releases else None
