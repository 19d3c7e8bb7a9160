"""A home to begin with: a commented policy and an empty database."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from fleet.app.home import Home
from fleet.core.errors import UsageError


class Begun(Struct, frozen=True):
    policy: Path
    database: str
    """Its path or address, as it may be shown."""
    wrote: bool
    """The policy was written; otherwise one was there and is as it was."""


def init(home: Home, force: bool = False) -> Begun:
    """Makes what is missing. A policy that is there is kept, unless `force`.

    Raises UsageError where the policy and the database are both there already, unless `force`.
    """
    from fleet.config import default_policy_text

    there = home.policy_file.exists()
    if there and home.exists and not force:
        raise UsageError(
            f"{home.policy_file} and its database are there already",
            "edit the policy; fleet cluster add NAME adds a cluster",
        )
    if not there or force:
        home.path.mkdir(parents=True, exist_ok=True)
        home.policy_file.write_text(default_policy_text(), encoding="utf-8")
    return Begun(home.policy_file, home.make().shown, not there or force)
