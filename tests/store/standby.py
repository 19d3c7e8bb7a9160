"""A PostgreSQL primary with a standby by streaming replication, each in a temporary folder on a Unix socket; gone
afterwards."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.store.postgres import run, unprivileged
from tests.store.processes import wait

NAME = "standby"
"""The standby's application_name, for synchronous_standby_names."""
DATABASE = "fleet"


class Server:
    def __init__(self, programs: Path, folder: Path, user: str | None) -> None:
        self._programs, self._user = programs, user
        self.folder = folder
        self.data = folder / "data"

    @property
    def url(self) -> str:
        return f"postgresql://fleet@/{DATABASE}?host={self.folder}"

    def initialize(self) -> None:
        self.run("initdb", "-D", self.data, "-U", "fleet", "-A", "trust", "--no-sync", "-E", "UTF8")
        self.configure(unix_socket_directories=str(self.folder), listen_addresses="", fsync="off")

    def copy_of(self, primary: Server) -> None:
        self.run(
            "pg_basebackup",
            "-D",
            self.data,
            "-h",
            primary.folder,
            "-U",
            "fleet",
            "-X",
            "stream",
            "-R",
            "-c",
            "fast",
            "-N",
        )
        self.configure(
            unix_socket_directories=str(self.folder),
            primary_conninfo=f"host={primary.folder} user=fleet application_name={NAME}",
            synchronous_standby_names="",
        )

    def configure(self, **settings: str) -> None:
        """Adds settings to the configuration: of two the last counts."""
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def start(self) -> None:
        log = self.folder / "log"
        self.run("pg_ctl", "-D", self.data, "-w", "-s", "-l", log, "start")

    def stop(self) -> None:
        """Stops at once, as a host that loses its power; does nothing where the server was lost already."""
        if (self.data / "postmaster.pid").exists():
            self.run("pg_ctl", "-D", self.data, "-w", "-s", "-m", "immediate", "stop")

    def lose(self) -> None:
        """Kills every process of the server at once (SIGKILL)."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        for each in (pid, *children):
            os.kill(each, signal.SIGKILL)
        wait(lambda: not any(_runs(each) for each in (pid, *children)), lambda: "the server still runs")
        (self.data / "postmaster.pid").unlink()

    def promote(self) -> None:
        self.run("pg_ctl", "-D", self.data, "-w", "-s", "promote")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            cursor = connection.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []

    def run(self, program: str, *arguments: str | Path) -> None:
        run(self._user, self._programs / program, *arguments)


class Pair:
    def __init__(self, primary: Server, standby: Server) -> None:
        self.primary, self.standby = primary, standby

    @property
    def url(self) -> str:
        """The URL with both hosts: whichever of them is the primary."""
        return f"postgresql://fleet@/{DATABASE}?host={self.primary.folder},{self.standby.folder}"

    def cut(self) -> None:
        """Ends the replication: the standby receives nothing more."""
        self.standby.query("ALTER SYSTEM SET primary_conninfo = ''")
        self.standby.query("SELECT pg_reload_conf()")
        wait(
            lambda: not self.primary.query("SELECT 1 FROM pg_stat_replication"), lambda: "it still replicates"
        )

    def promote(self) -> None:
        """Loses the primary, and makes the standby the primary."""
        self.primary.lose()
        self.standby.promote()


@contextmanager
def pair(programs: Path, *, synchronous: bool) -> Iterator[Pair]:
    with tempfile.TemporaryDirectory(prefix="fleet-pg-") as place:
        user = unprivileged(Path(place))
        first, second = (Server(programs, Path(place) / name, user) for name in ("a", "b"))
        for each in (first, second):
            run(user, "mkdir", each.folder)
        first.initialize()
        first.start()
        try:
            run(user, programs / "createdb", "-h", first.folder, "-U", "fleet", DATABASE)
            second.copy_of(first)
            second.start()
            found = Pair(first, second)
            wait(
                lambda: first.query("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"),
                lambda: "it does not replicate",
            )
            if synchronous:
                first.query(f"ALTER SYSTEM SET synchronous_standby_names = '{NAME}'")
                first.query("SELECT pg_reload_conf()")
                wait(
                    lambda: first.query("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"),
                    lambda: "it does not replicate synchronously",
                )
            yield found
        finally:
            second.stop()
            first.stop()


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
