"""Orders the version numbers of the upstream Linux kernel: `6.8-rc5` before `6.8`, `6.8` equal to `6.8.0`.

Source: Documentation/process/2.Process.rst of the Linux kernel, and the CVE records of the kernel's own numbering
authority, whose upper ends may be `6.1.*` (every release of 6.1) or `*` (no upper end).
"""

from __future__ import annotations

import re

_VERSION = re.compile(r"(\d+(?:\.\d+){0,3})(?:-rc(\d+))?")
_RELEASED = 1 << 31
"""Sorts after the number of any release candidate."""

KernelKey = tuple[int, int, int, int, int]


def key(text: str) -> KernelKey | None:
    """Returns a key in whose order kernel versions are: up to four numbers and the release candidate. None if the text
    is not a version of the upstream kernel."""
    found = _VERSION.fullmatch(text)
    if found is None:
        return None
    numbers = [int(number) for number in found[1].split(".")]
    one, two, three, four = [*numbers, 0, 0, 0][:4]
    return one, two, three, four, int(found[2]) if found[2] else _RELEASED


def compare(one: str, other: str) -> int | None:
    """Returns -1, 0 or 1 as the first version is older than, the same as or newer than the second; None if one of them is
    not a version."""
    mine, theirs = key(one), key(other)
    return None if mine is None or theirs is None else (mine > theirs) - (mine < theirs)


def is_at_most(version: KernelKey, end: str) -> bool | None:
    """Reports whether the version is at most `end`, which may end in `*`: `6.1.*` includes every release of 6.1 and
    everything older. None if `end` is not a version."""
    if end == "*":
        return True
    if not end.endswith(".*"):
        last = key(end)
        return None if last is None else version <= last
    branch = end.removesuffix(".*")
    if key(branch) is None or "-" in branch:
        return None
    numbers = tuple(int(number) for number in branch.split("."))
    return version[: len(numbers)] <= numbers
