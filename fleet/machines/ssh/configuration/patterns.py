"""Patterns of names, as `Host` of ssh_config(5) and the lines of known_hosts have them: OpenSSH's match.c. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable


def listed(patterns: Iterable[str], name: str) -> bool:
    """Says whether a pattern matches, and none behind a `!`: as OpenSSH's match_pattern_list()."""
    found = False
    for each in patterns:
        matches = _matches(each.removeprefix("!"), name)
        if matches and each.startswith("!"):
            return False
        found = found or matches
    return found


def _matches(pattern: str, name: str) -> bool:
    """As match_pattern(): `*` and `?` alone stand for something."""
    parts = {"*": ".*", "?": "."}
    return (
        re.fullmatch("".join(parts.get(each, re.escape(each)) for each in pattern), name, re.DOTALL)
        is not None
    )
