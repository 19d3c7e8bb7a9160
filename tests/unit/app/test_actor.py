"""The user that the journal names: the system's user, whatever the environment has."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys

import pytest

from fleet.app.wiring.actor import actor_of

NAMES = {0: "root", 1000: "ada"}


@pytest.mark.parametrize(
    ("uid", "login", "expected"),
    [
        (1000, 1000, "ada@desk"),
        (1000, None, "ada@desk"),
        (0, 1000, "root@desk (login ada)"),
        (1000, 0, "ada@desk (login root)"),
        (7, 8, "uid-7@desk (login uid-8)"),
    ],
)
def test_actor_and_login_name(uid: int, login: int | None, expected: str) -> None:
    assert actor_of(uid, login, "desk", lambda each: NAMES.get(each, f"uid-{each}")) == expected


def test_environment_does_not_set_the_actor() -> None:
    """getpass.getuser, as its documentation has it, asks LOGNAME, USER, LNAME and USERNAME first."""
    code = "from fleet.app.wiring.actor import actor; print(actor())"
    forged = {**os.environ, **dict.fromkeys(("LOGNAME", "USER", "LNAME", "USERNAME"), "mallory")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=forged, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"{pwd.getpwuid(os.getuid()).pw_name}@")
    assert "mallory" not in done.stdout
