"""The order of two versions by their numbers, where it is certain."""

from __future__ import annotations

import re

NUMBERS = re.compile(r"v?(\d+(?:\.\d+)*)([^0-9.].*)?", re.DOTALL | re.ASCII)


def compared(one: str, other: str) -> int | None:
    """Returns -1 if `one` is older than `other`, 1 if it is newer, and 0 if they are equal. None where their numbers do
    not say so: texts without numbers, versions with another count of numbers, or equal numbers with different ends."""
    if one == other:
        return 0
    left, right = NUMBERS.fullmatch(one), NUMBERS.fullmatch(other)
    if left is None or right is None:
        return None
    ours, theirs = ([int(part) for part in match[1].split(".")] for match in (left, right))
    if len(ours) != len(theirs) or ours == theirs:
        return None
    return -1 if ours < theirs else 1
