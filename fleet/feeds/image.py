"""Reads the tags of a repository as releases: their digests, and what the labels of the images have."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from msgspec import UNSET, Struct, UnsetType, field

from fleet.core.releases.feed import ImageFeed
from fleet.core.releases.kernel import architecture_of
from fleet.core.releases.release import Release
from fleet.feeds.documents import Documents, decoded
from fleet.feeds.errors import FeedError
from fleet.feeds.payload import digest
from fleet.feeds.registry import Registry
from fleet.feeds.versions import version_key

KERNEL = "ostree.linux"
"""The label in which bootc and ostree have the version of the kernel."""


class Platform(Struct, frozen=True):
    """Says what an image is built for."""

    architecture: str = ""
    os: str = ""


class Descriptor(Struct, frozen=True):
    """A reference to a manifest or a blob."""

    digest: str
    platform: Platform = Platform()


class ImageManifest(Struct, frozen=True):
    """An index over the manifests of several architectures, or the manifest of one."""

    manifests: tuple[Descriptor, ...] = ()
    config: Descriptor | None = None


class ImageSettings(Struct, frozen=True):
    """Part of the configuration of an image."""

    labels: dict[str, str] | None = field(default=None, name="Labels")


class ImageConfig(Struct, frozen=True):
    """The configuration of an image."""

    created: str = ""
    config: ImageSettings = ImageSettings()


def read(feed: ImageFeed, documents: Documents) -> tuple[Release, ...]:
    """Returns the newest tags as releases, oldest first by their numbers. Raises FeedError."""
    registry = Registry(feed.repository, documents)
    wanted = re.compile(feed.tags)
    tags = sorted(filter(wanted.fullmatch, set(registry.tags())), key=version_key)
    return tuple(_release(registry, tag) for tag in tags[-feed.newest :])


def _release(registry: Registry, tag: str) -> Release:
    own, body = registry.manifest(tag)
    top = decoded(body, ImageManifest)
    linux = [each for each in top.manifests if each.platform.os == "linux"]
    digests = {each.platform.architecture: digest(each.digest) for each in linux}
    if top.manifests and not linux:
        raise FeedError(f"its tag {tag} has no image for Linux")
    first = decoded(registry.manifest(digests[min(digests)])[1], ImageManifest) if linux else top
    if first.config is None:
        raise FeedError(f"its tag {tag} is not an image")
    config = decoded(registry.blob(digest(first.config.digest)), ImageConfig)
    kernel = (config.config.labels or {}).get(KERNEL, "")
    return Release(
        tag,
        own,
        _without_architecture(kernel) if len(digests) > 1 else kernel,
        # The digest of an index is never that of its only manifest.
        digests=tuple(sorted(digests.items())),
        released=_created(config.created),
    )


def _without_architecture(kernel: str) -> str:
    return kernel.rpartition(".")[0] if architecture_of(kernel) and "+" not in kernel else kernel


def _created(text: str) -> datetime | UnsetType:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return UNSET
    # Images that are built reproducibly have the beginning of time as their date.
    if found.tzinfo is None or found.year < 2000:
        return UNSET
    return found.astimezone(UTC)
