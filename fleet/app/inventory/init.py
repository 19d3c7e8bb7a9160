"""Creates a home to begin with: a commented policy and an empty database."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from fleet.app.wiring.home import Home
from fleet.core.records.errors import UsageError


class InitResult(Struct, frozen=True):
    policy: Path
    database: str
    """The database's path or address, as it may be shown."""
    wrote: bool
    """True if the policy was written; otherwise one existed and was left as it is."""


def init(home: Home) -> InitResult:
    """Makes the policy and the database of a home where they are missing; existing ones are kept.

    Raises UsageError where the policy and the database both exist already.
    """
    from fleet.config import default_policy_text

    there = home.has_policy
    if there and home.exists:
        raise UsageError(
            f"{home.policy_file} and its database exist already, and were left as they are",
            "edit the policy; fleet init --home FOLDER writes a fresh one elsewhere",
        )
    if not there:
        home.path.mkdir(parents=True, exist_ok=True)
        # A file that another process writes at this moment is not overwritten.
        with home.policy_file.open("x", encoding="utf-8") as file:
            file.write(default_policy_text())
    return InitResult(home.policy_file, home.make().shown, not there)
