"""References to container images, as bootc and rpm-ostree write them.

Sources: containers-transports(5); for the prefixes `ostree-…:` ostree-rs-ext, `OstreeImageReference`, and
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
    """The repository with its registry, which may have a port; without tag and digest."""
    digest: str = ""
    """The digest to which the reference is pinned; empty: it is not pinned."""
    prefix: str = ""
    """The text before the repository: how signatures are verified, and the transport. It is kept as it was."""
    transport: str = "registry"

    def pinned(self, digest: str) -> str:
        """Returns the reference to that digest in the same repository, with the same transport and verification."""
        return f"{self.prefix}{self.repository}@{digest}"


def parse_name(name: str) -> ImageReference:
    """Parses the name of an image in a registry, such as `quay.io:443/x/y:tag@sha256:…`."""
    path, _, digest = name.partition("@")
    head, slash, last = path.rpartition("/")
    return ImageReference(f"{head}{slash}{last.partition(':')[0]}", digest)


def parse(text: str) -> ImageReference | None:
    """Parses an ostree container reference, such as `ostree-image-signed:docker://quay.io/x/y:tag`. Returns None for
    another text."""
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
