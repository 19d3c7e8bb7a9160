"""The file os-release: what an operating system says of itself (man os-release)."""

from __future__ import annotations

import shlex

from fleet.machines.os.family import MachineError


def parse(text: str) -> dict[str, str]:
    """Raises MachineError for a line that is no assignment."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.partition("=")
        try:
            words = shlex.split(value)
        except ValueError:
            words = ["", ""]
        if not equals or not name or len(words) > 1:
            raise MachineError(f"os-release has a line that is no assignment: {line!r}")
        found[name] = words[0] if words else ""
    return found


def version(fields: dict[str, str]) -> str:
    """The most precise version that it tells. Raises MachineError where it tells none."""
    for name in ("OSTREE_VERSION", "IMAGE_VERSION", "VERSION_ID"):
        if fields.get(name):
            return fields[name]
    raise MachineError(f"os-release tells no version, only {', '.join(sorted(fields)) or 'nothing'}")
