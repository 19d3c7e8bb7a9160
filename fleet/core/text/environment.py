"""The environment of programs that fleet starts."""

from __future__ import annotations

from collections.abc import Mapping


def for_others(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment without fleet's own variables. FLEET_DATABASE, for one, may contain a password that other
    programs must not get."""
    return {name: value for name, value in environ.items() if not name.startswith("FLEET_")}
