"""Finds a release in the name of an operating system (`nodeInfo.osImage`, PRETTY_NAME of os-release)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fleet.core.releases.release import Release

_PRODUCT = re.compile(r"(?:(?:open)?SUSE (?:Linux|Leap)|Ubuntu Core)\b")
"""Operating systems whose name has the version of the product, which is the same for many snapshots (os-release(5) of
SUSE Linux Micro 6.0 and openSUSE Leap Micro 6.0) or for many revisions of its snaps (Ubuntu Core 22)."""


def names(text: str, version: str) -> bool:
    """Reports whether the version occurs in the text as a whole word: `3033.3.18` does not name `3033.3.1`, and
    `aws-k8s-1.29` does not name `1.29`."""
    return bool(version) and _word(version).search(text) is not None


def release_in(text: str, releases: Iterable[Release]) -> Release | None:
    """Returns the release whose version occurs in the text, the one with the longest version if several do. None if no
    version does, or the text has a product's version, which is the same for several releases."""
    if _PRODUCT.match(text):
        return None
    named = (release for release in releases if names(text, release.version))
    return max(named, key=lambda release: len(release.version), default=None)


def renamed(text: str, before: str, after: str) -> str | None:
    """Returns the text with `after` in place of the version `before`; None if the text does not contain `before`."""
    return _word(before).sub(lambda _: after, text) if names(text, before) else None


def _word(version: str) -> re.Pattern[str]:
    """Returns a pattern that matches the version as a whole word. A full stop right after the version ends a sentence,
    unless a letter or digit follows the full stop."""
    return re.compile(rf"(?<![\w.+~:-]){re.escape(version)}(?![\w+~:-]|\.\w)")
