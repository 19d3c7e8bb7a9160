"""Orders semantic versions, such as those of Kubernetes.

Source: Semantic Versioning 2.0.0, item 11. A leading `v` is ignored, as is build metadata (`+...`).
"""

from __future__ import annotations

import re

_VERSION = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")

SemanticKey = tuple[tuple[int, int, int], int, tuple[tuple[int, int, str], ...]]


def key(text: str) -> SemanticKey | None:
    """Returns a key in whose order semantic versions are; None if the text is not one. Missing numbers are 0."""
    found = _VERSION.fullmatch(text)
    if found is None:
        return None
    numbers = (int(found[1]), int(found[2] or 0), int(found[3] or 0))
    before = found[4]
    return numbers, 1 if before is None else 0, tuple(_identifier(part) for part in (before or "").split("."))


def compare(one: str, other: str) -> int | None:
    """Returns -1, 0 or 1 as the first version is older than, the same as or newer than the second; None if one of them is
    not a semantic version."""
    mine, theirs = key(one), key(other)
    return None if mine is None or theirs is None else (mine > theirs) - (mine < theirs)


def is_at_most(version: SemanticKey, end: str) -> bool | None:
    """Reports whether the version is at most `end`, which may end in `*`: `1.30.*` includes every release of 1.30 and
    everything older. None if `end` is not a version."""
    if end == "*":
        return True
    branch = end.removesuffix(".*")
    last = key(branch)
    if last is None:
        return None
    length = branch.count(".") + 1
    return version[0][:length] <= last[0][:length] if branch != end else version <= last


def _identifier(part: str) -> tuple[int, int, str]:
    """Numbers sort before texts, and by their value."""
    return (0, int(part), "") if part.isdigit() else (1, 0, part)
