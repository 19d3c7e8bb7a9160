"""A PostgreSQL server of the tests' own: in a temporary folder, on a Unix socket alone, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGE = "postgresql"
"""Debian's; its programs are not on the PATH."""


def programs() -> Path | None:
    """The folder that has `initdb` and `postgres`; None: PostgreSQL is not installed."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "postgres").exists()), None)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The server's URL, to which a database's name is added: `postgresql://.../NAME?...` is `url.format(NAME)`."""
    # A socket's path is short (107 bytes at most), whatever the folder of the tests is.
    with tempfile.TemporaryDirectory(prefix="fleet-pg-") as place:
        user = unprivileged(Path(place))
        data = Path(place) / "data"
        run(user, folder / "initdb", "-D", data, "-U", "fleet", "-A", "trust", "--no-sync", "-E", "UTF8")
        settings = {"listen_addresses": "", "unix_socket_directories": place, "fsync": "off"}
        asked = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        options = " ".join(f"'{part}'" for part in asked)
        control: list[str | Path] = [folder / "pg_ctl", "-D", data, "-w", "-s"]
        run(user, *control, "-l", Path(place) / "log", "-o", options, "start")
        try:
            yield f"postgresql://fleet@/{{}}?host={place}"
        finally:
            run(user, *control, "-m", "immediate", "stop")


def unprivileged(*own: Path) -> str | None:
    """PostgreSQL refuses to run as root: then it runs as Debian's user for it, which gets these paths for its own. None: as
    we are."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam("postgres")
    for path in own:
        os.chown(path, user.pw_uid, user.pw_gid)
    return user.pw_name


def run(user: str | None, *arguments: str | Path) -> None:
    # Its output goes to a file: the server inherits it, and would keep a pipe open.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(argument) for argument in arguments],
            user=user,
            extra_groups=None if user is None else [],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            cwd="/",
            check=False,
            timeout=60,
        )
        if done.returncode:
            output.seek(0)
            raise RuntimeError(f"{arguments[0]} failed: {output.read().decode(errors='replace')}")
