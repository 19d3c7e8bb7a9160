"""Matches patterns of names, as in `Host` of ssh_config(5) and in the lines of known_hosts: OpenSSH's match.c.
Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable


def listed(patterns: Iterable[str], name: str) -> bool:
    """Returns whether a pattern matches, and none with a `!`, as OpenSSH's match_pattern_list() does."""
    found = False
    for pattern in patterns:
        matches = _matches(pattern.removeprefix("!"), name)
        if matches and pattern.startswith("!"):
            return False
        found = found or matches
    return found


def _matches(pattern: str, name: str) -> bool:
    """Returns whether the name matches, as match_pattern() does: only `*` and `?` are wildcards."""
    parts = {"*": ".*", "?": "."}
    return (
        re.fullmatch(
            "".join(parts.get(character, re.escape(character)) for character in pattern), name, re.DOTALL
        )
        is not None
    )
