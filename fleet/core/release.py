"""A release: a version and its immutable payload digest; and the stream that orders releases."""

from __future__ import annotations

from msgspec import Struct


class Release(Struct, frozen=True, gc=False):
    version: str
    digest: str = ""
    """Such as `sha256:…`. Empty only where a stream does not tell it: then the version alone is proof."""
    kernel: str = ""
    """The kernel that this release boots; empty where the stream does not tell it."""
    kubelet: str = ""
    """Version of the kubelet that it brings, such as `v1.36.3`; empty: it brings none, or the stream does not tell."""


def is_release(found: Release | None, wanted: Release) -> bool:
    """By digest; by version only where one of the two tells no digest."""
    if found is None:
        return False
    if found.digest and wanted.digest:
        return found.digest == wanted.digest
    return found.version == wanted.version


class Stream(Struct, frozen=True):
    """Oldest first."""

    name: str
    releases: tuple[Release, ...] = ()

    def find(self, version: str) -> Release | None:
        return next((release for release in self.releases if release.version == version), None)

    @property
    def newest(self) -> Release | None:
        return self.releases[-1] if self.releases else None
