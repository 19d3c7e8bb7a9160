"""What the name of an operating system (`nodeInfo.osImage`, PRETTY_NAME of os-release) tells of its release."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fleet.core.releases.release import Release

_PRODUCT = re.compile(r"(?:(?:open)?SUSE (?:Linux|Leap)|Ubuntu Core)\b")
"""Operating systems whose name has the version of the product, which is the same for many snapshots (os-release(5) of
SUSE Linux Micro 6.0 and openSUSE Leap Micro 6.0) or revisions of its snaps (Ubuntu Core 22)."""


def names(text: str, version: str) -> bool:
    """Reports whether the version stands in the text as a word of its own: `3033.3.18` does not name `3033.3.1`, and
    `aws-k8s-1.29` does not name `1.29`."""
    return bool(version) and _word(version).search(text) is not None


def release_in(text: str, releases: Iterable[Release]) -> Release | None:
    """Returns the release that is named in the text, by the longest version where several are; None: none is, or what is
    named cannot tell releases apart."""
    if _PRODUCT.match(text):
        return None
    named = (release for release in releases if names(text, release.version))
    return max(named, key=lambda release: len(release.version), default=None)


def renamed(text: str, before: str, after: str) -> str | None:
    """Returns the text with another version in the place of `before`; None where it does not name that."""
    return _word(before).sub(lambda _: after, text) if names(text, before) else None


def _word(version: str) -> re.Pattern[str]:
    """A full stop behind it that nothing follows is the end of a sentence."""
    return re.compile(rf"(?<![\w.+~:-]){re.escape(version)}(?![\w+~:-]|\.\w)")
