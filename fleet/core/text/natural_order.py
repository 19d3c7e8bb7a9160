"""Orders names as people count: n-9 before n-10. Pure."""

from __future__ import annotations

import re

DIGITS = re.compile(r"(\d+)")


def natural(name: str) -> list[str | int]:
    """Returns a sort key by which n-9 comes before n-10."""
    parts: list[str | int] = list(DIGITS.split(name))
    parts[1::2] = map(int, parts[1::2])
    return parts
