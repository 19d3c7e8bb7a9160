"""A home to begin with: a commented policy and an empty database."""

from __future__ import annotations

from pathlib import Path

from fleet.app.home import Home
from fleet.core.errors import UsageError


def init(home: Home, force: bool = False) -> Path:
    """Raises UsageError where a policy is there already, unless `force`."""
    from fleet.config import default_policy_text

    if home.policy_file.exists() and not force:
        raise UsageError(f"{home.policy_file} is there already", "fleet init --force writes over it")
    home.path.mkdir(parents=True, exist_ok=True)
    home.policy_file.write_text(default_policy_text(), encoding="utf-8")
    home.make()
    return home.policy_file
