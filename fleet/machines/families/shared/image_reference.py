"""References to container images, as bootc and rpm-ostree write them.

Sources: containers-transports(5); of the prefixes `ostree-…:` ostree-rs-ext, `OstreeImageReference`, and
coreos.github.io/rpm-ostree/container.
"""

from __future__ import annotations

import re

from msgspec import Struct

_OSTREE = re.compile(
    r"(?P<registry>ostree-unverified-registry:|ostree-remote-registry:[^:]+:)"
    r"|(?P<image>ostree-image-signed:|ostree-unverified-image:|ostree-remote-image:[^:]+:)"
)
_REGISTRY = re.compile(r"docker://|registry:")
_TRANSPORT = re.compile(r"(?P<transport>[a-z-]+):")


class ImageReference(Struct, frozen=True):
    """`PREFIX` + `REPOSITORY` + [`:TAG`] + [`@DIGEST`]."""

    repository: str
    """With its registry, which may have a port; without tag and digest."""
    digest: str = ""
    """That it is pinned by; empty: it is not pinned."""
    prefix: str = ""
    """What stands before the repository: how signatures are checked, and the transport. Kept as it was."""
    transport: str = "registry"

    def pinned(self, digest: str) -> str:
        """Returns the reference of that digest in the same repository, fetched and checked in the same way."""
        return f"{self.prefix}{self.repository}@{digest}"


def parse_name(name: str) -> ImageReference:
    """Reads the name of an image in a registry, such as `quay.io:443/x/y:tag@sha256:…`."""
    path, _, digest = name.partition("@")
    head, slash, last = path.rpartition("/")
    return ImageReference(f"{head}{slash}{last.partition(':')[0]}", digest)


def parse(text: str) -> ImageReference | None:
    """Reads an ostree container reference, such as `ostree-image-signed:docker://quay.io/x/y:tag`. None: it is not one."""
    found = _OSTREE.match(text)
    if found is None or found.end() == len(text) or re.search(r"\s", text):
        return None
    end = found.end()
    if found["image"] is not None:
        registry = _REGISTRY.match(text, end)
        if registry is None:
            other = _TRANSPORT.match(text, end)
            return (
                ImageReference(text[end:], prefix=text[:end], transport=other["transport"]) if other else None
            )
        end = registry.end()
    named = parse_name(text[end:])
    return ImageReference(named.repository, named.digest, text[:end]) if named.repository else None
