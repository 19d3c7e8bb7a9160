"""The environment of programs that fleet starts."""

from __future__ import annotations

from collections.abc import Mapping


def for_others(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment without what is fleet's: FLEET_DATABASE may hold a password, and is no other program's."""
    return {name: value for name, value in environ.items() if not name.startswith("FLEET_")}
