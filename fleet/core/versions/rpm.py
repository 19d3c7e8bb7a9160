"""Orders versions as rpm does.

Source: `rpmvercmp` in rpm 4.20 (rpmio/rpmvercmp.cc) and "Versioning" in rpm's manual. The tests compare with rpm itself.
"""

from __future__ import annotations

import re

_PART = re.compile(r"[~^]|[0-9]+|[A-Za-z]+")


def compare(one: str, other: str) -> int:
    """Returns -1, 0 or 1 as the first EPOCH:VERSION-RELEASE is older than, the same as or newer than the second. A
    missing epoch is 0. If one of them has no release, the releases are not compared."""
    epoch, version, release = split(one)
    other_epoch, other_version, other_release = split(other)
    if epoch != other_epoch:
        return -1 if epoch < other_epoch else 1
    found = compare_part(version, other_version)
    return found if found or not (release and other_release) else compare_part(release, other_release)


def split(text: str) -> tuple[int, str, str]:
    """Returns epoch, version and release of EPOCH:VERSION-RELEASE; epoch 0 and an empty release if they are left out."""
    epoch, colon, rest = text.partition(":")
    if not (colon and epoch.isascii() and epoch.isdigit()):
        epoch, rest = "0", text
    version, _, release = rest.partition("-")
    return int(epoch), version, release


def compare_part(one: str, other: str) -> int:
    """Compares two versions, or two releases, as `compare` does.

    Runs of digits and runs of letters are compared one by one. `~` sorts before the end of the text, `^` right after
    the end, a number after letters. Other characters only separate.
    """
    parts, others = _PART.findall(one), _PART.findall(other)
    for mine, theirs in zip(parts, others, strict=False):
        if (found := _compare(mine, theirs)) != 0:
            return found
    if len(parts) == len(others):
        return 0
    longer, rest = (1, parts[len(others)]) if len(parts) > len(others) else (-1, others[len(parts)])
    return -longer if rest == "~" else longer


def _compare(one: str, other: str) -> int:
    if one == other:
        return 0
    for mark, sign in (("~", -1), ("^", -1)):
        if mark in (one, other):
            return sign if one == mark else -sign
    if one.isdigit() and other.isdigit():
        mine, theirs = one.lstrip("0"), other.lstrip("0")
        left, right = (len(mine), mine), (len(theirs), theirs)
        return (left > right) - (left < right)
    if one.isdigit() != other.isdigit():
        return 1 if one.isdigit() else -1
    return 1 if one > other else -1
