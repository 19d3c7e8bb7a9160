"""The users of the quarter: each has a signed token, as users of a real fleet have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from fleet.app.access.signed_token import VARIABLE, issue
from fleet.app.demo.prepare import ACCESS_KEY, PEOPLE
from fleet.app.wiring.home import Home
from fleet.simulated.quarter.policy import TOKEN_KEY
from fleet.store.journal.signing import PrivateKey, write_new

OPERATOR, APPROVER, SECURITY, ADMIN, CONTROLLER = "ada", "ben", "cleo", "dora", "controller"
USERS = (OPERATOR, APPROVER, SECURITY, ADMIN, CONTROLLER)
VALID = timedelta(days=200)


def make_tokens(home: Home) -> None:
    """Makes the key of the policy, and a token for each user. Raises FileExistsError where they exist."""
    key = PrivateKey.new()
    key.write(home.path / ACCESS_KEY)
    write_new(home.path / TOKEN_KEY, key.public.pem.encode("ascii"), 0o644)
    (home.path / PEOPLE).mkdir()
    for name in USERS:
        issue(home.path / ACCESS_KEY, name, (), VALID, home.now(), token_of(home, name))


def token_of(home: Home, name: str) -> Path:
    return home.path / PEOPLE / f"{name}.token"


@contextmanager
def acting_as(home: Home, name: str) -> Iterator[None]:
    """Makes commands of this process those of that user while the context is open."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(token_of(home, name))
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
