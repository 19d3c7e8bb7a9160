"""Orders versions as dpkg does.

Source: "Version" in Debian Policy 5.6.12 and `order` and `verrevcmp` in dpkg's lib/dpkg/version.c. The tests compare
with dpkg itself.
"""

from __future__ import annotations

import re
from itertools import zip_longest

_NUMBER = re.compile(r"([0-9]+)")


def compare(one: str, other: str) -> int:
    """Returns -1, 0 or 1 as the first EPOCH:VERSION-REVISION is older than, the same as or newer than the second. A
    missing epoch is 0, a missing revision is empty."""
    mine, theirs = _split(one), _split(other)
    if mine[0] != theirs[0]:
        return -1 if mine[0] < theirs[0] else 1
    return _compare(mine[1], theirs[1]) or _compare(mine[2], theirs[2])


def _split(text: str) -> tuple[int, str, str]:
    epoch, colon, rest = text.partition(":")
    if not (colon and epoch.isascii() and epoch.isdigit()):
        epoch, rest = "0", text
    version, hyphen, revision = rest.rpartition("-")
    return (int(epoch), version, revision) if hyphen else (int(epoch), rest, "")


def _compare(one: str, other: str) -> int:
    """Compares texts and numbers in turn, beginning with a text, which may be empty."""
    parts = zip_longest(_NUMBER.split(one), _NUMBER.split(other), fillvalue="")
    for position, (mine, theirs) in enumerate(parts):
        left = _weights(mine) if position % 2 == 0 else int(mine or "0")
        right = _weights(theirs) if position % 2 == 0 else int(theirs or "0")
        if left != right:
            return -1 if left < right else 1  # type: ignore[operator]
    return 0


def _weights(text: str) -> list[int]:
    """Returns a list whose order is that of the texts: `~` before the end of the text, letters before all else."""
    return [-1 if sign == "~" else ord(sign) if sign.isalpha() else ord(sign) + 256 for sign in text] + [0]
