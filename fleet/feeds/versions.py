"""The order of dotted versions, where a feed has no order of its own."""

from __future__ import annotations

import re

_PART = re.compile(r"\d+|[^\d.]+", re.ASCII)


def version_key(version: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Returns a key that sorts versions by their numbers, part by part: 3033.3.18 comes after 3033.3.2, and 1.9.0-rc.1
    before 1.9.0. A leading `v` does not count."""
    parts = _PART.findall(version.removeprefix("v").replace("-", ".-."))
    # A letter sorts before the end of the version, and the end before a number.
    keys = [(2, int(part), "") if part.isdigit() else (0, 0, part) for part in parts if part != "-"]
    return (*keys, (1, 0, "")), version
