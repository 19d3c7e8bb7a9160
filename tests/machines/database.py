"""A PostgreSQL beside the machines, for controllers that are pods: at an address, by password, without the safety of a
disk."""

from __future__ import annotations

import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.store.postgres import programs, run, unprivileged


@contextmanager
def database(address: str) -> Iterator[str]:
    """The URL of an empty database, with the password. It listens at the machines' side of the bridge alone."""
    found = programs()
    assert found is not None, "needs PostgreSQL (Debian: apt-get install postgresql)"
    password, port = secrets.token_hex(12), _free_port(address)
    with tempfile.TemporaryDirectory(prefix="fleet-pg-") as place:
        data, written = Path(place, "data"), Path(place, "password")
        written.write_text(password)
        user = unprivileged(Path(place), written)
        run(
            user,
            *(found / "initdb", "-D", data, "-U", "fleet", "--no-sync", "-E", "UTF8"),
            *("-A", "scram-sha-256", f"--pwfile={written}"),
        )
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all fleet 10.0.0.0/8 scram-sha-256\n")
        options = (
            f"-c listen_addresses={address} -c port={port} -c unix_socket_directories={place} -c fsync=off"
        )
        control = (found / "pg_ctl", "-D", data, "-w", "-s")
        run(user, *control, "-l", Path(place, "log"), "-o", options, "start")
        try:
            yield f"postgresql://fleet:{password}@{address}:{port}/postgres"
        finally:
            run(user, *control, "-m", "immediate", "stop")
            shutil.rmtree(data)


def _free_port(address: str) -> int:
    with socket.socket() as listening:
        listening.bind((address, 0))
        port: int = listening.getsockname()[1]
        return port
