"""The actor of a command, as the journal names the user."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path

NO_LOGIN = 2**32 - 1
"""The login uid of a process that no login has started: a service, a container."""


def actor() -> str:
    """Returns the actor of a command for the journal: `user@host` according to the system, not to the environment,
    followed by the user who logged in, if that is another one (sudo, su)."""
    return actor_of(os.getuid(), _login_uid(), os.uname().nodename, user_name)


def actor_person() -> str:
    """Returns the user name of the person behind this process: who logged in, even after sudo or su; else the user of
    the process."""
    login = _login_uid()
    return user_name(os.getuid() if login is None else login)


def actor_of(uid: int, login: int | None, host: str, name: Callable[[int], str]) -> str:
    """Returns `ada@desk`, or `root@desk (login ada)`. `login` is the uid of the login session; None: there is none."""
    by = "" if login in (None, uid) else f" (login {name(login)})"
    return f"{name(uid)}@{host}{by}"


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"


def _login_uid() -> int | None:
    """Returns the uid that logged in, which the kernel sets once, at login, and keeps over su and sudo; None: no login
    started this process. Source: pam_loginuid(8), proc_pid_loginuid(5)."""
    try:
        uid = int(Path("/proc/self/loginuid").read_text())
    except (OSError, ValueError):
        return None
    return None if uid == NO_LOGIN else uid
