"""Parses the file os-release, by which an operating system identifies itself (os-release(5))."""

from __future__ import annotations

import re
import shlex

from fleet.machines.errors import MachineError

MOST = 16 * 1024
"""The most characters that are read. The longest os-release of any distribution has some thousand."""
_ASSIGNMENT = re.compile(r"\s*([A-Za-z_]\w*)=(.*)", re.ASCII)


def parse(text: str) -> dict[str, str]:
    """Returns the assignments; other lines are ignored, as by systemd. Raises MachineError where there is no
    assignment."""
    matched = filter(None, map(_ASSIGNMENT.fullmatch, text[:MOST].splitlines()))
    found = {match_[1]: _unquoted(match_[2].strip()) for match_ in matched}
    if not found:
        raise MachineError(f"os-release has no assignment: {text[:300]!r}")
    return found


def _unquoted(value: str) -> str:
    """Returns the value with a shell's quotes removed. A value that no shell would accept, such as one with an open
    quote, is kept as it is."""
    try:
        return " ".join(shlex.split(value))
    except ValueError:
        return value


def version(fields: dict[str, str]) -> str:
    """Returns the most precise version. Raises MachineError where there is none."""
    for name in ("OSTREE_VERSION", "IMAGE_VERSION", "VERSION_ID"):
        if fields.get(name):
            return fields[name]
    raise MachineError(f"os-release has no version, only {', '.join(sorted(fields)) or 'nothing'}")
