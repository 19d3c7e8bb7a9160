"""Digests and architectures in the forms of feeds, and in those of fleet."""

from __future__ import annotations

import re

from fleet.feeds.errors import FeedError

_HEX = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Names of architectures in RPM that Go and Kubernetes do not have."""


def architecture(name: str) -> str:
    """Returns the architecture as Go and Kubernetes name it."""
    return _NAMES.get(name, name)


def sha256(checksum: str) -> str:
    """Returns the digest with this hexadecimal checksum. Raises FeedError."""
    if not _HEX.fullmatch(checksum):
        raise FeedError(f"expected a SHA-256, found {checksum[:80]!r}")
    return f"sha256:{checksum}"


def digest(text: str) -> str:
    """Returns the text, if it is a digest. Raises FeedError."""
    if not _DIGEST.fullmatch(text):
        raise FeedError(f"expected a digest, found {text[:80]!r}")
    return text


def digest_in(reference: str) -> str:
    """Returns the digest of `REPOSITORY@DIGEST`. Raises FeedError."""
    return digest(reference.rpartition("@")[2])
