"""Users of a home, each with a signed token."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from fleet.app.access.signed_token import VARIABLE, issue
from fleet.app.wiring.home import Home
from fleet.core.cluster.snapshot import Snapshot
from fleet.store.journal.signing import PrivateKey
from tests.unit.app.homes import POLICY, a_home

ACCESS = """\
access:
  identity: token
  token_key: access.pem
  operator: {users: [ada, bob]}
  approver: {users: [ada, eve], groups: [board]}
  admin: {users: [root]}
"""


def a_home_with_users(
    path: Path, *snapshots: Snapshot, rule: str = "{required: 1}", policy: str = POLICY, database: str = ""
) -> Home:
    """A home whose policy asks for an approval. Ada may plan, start and approve, Bob may plan and start, Eve may
    approve."""
    home = a_home(path, *snapshots, database=database)
    home.policy_file.write_text(f"{policy}    approvals: {rule}\n{ACCESS}")
    key = PrivateKey.new()
    key.write(path / "access-key.pem")
    key.public.write(path / "access.pem")
    return home


def token_of(home: Home, name: str, groups: tuple[str, ...] = (), hours: float = 1) -> Path:
    """The file of a new token."""
    path = home.path / f"{name}-{len(list(home.path.glob('*.token')))}.token"
    issue(home.path / "access-key.pem", name, groups, timedelta(hours=hours), home.now(), path)
    return path


@contextmanager
def acting(home: Home, name: str, *groups: str) -> Iterator[None]:
    """What is called inside is called by this user."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(token_of(home, name, groups))
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
