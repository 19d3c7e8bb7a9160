"""A full disk stops writes. What is stored can be read, and the error lists what can be freed."""

from __future__ import annotations

import os
import pwd
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from fleet.core.records.errors import NoRoomError, ReadOnlyError, StoreError
from fleet.core.records.journal import JournalRecord
from fleet.lab.simulation.builders import START, a_node, a_snapshot
from fleet.store import ClusterRow, Store
from fleet.store.db.disk import size
from tests.store.disks import fill, small_disk
from tests.store.raw import rows

BIG = JournalRecord("decision", "step", detail={"words": "x" * 4000})
NOTE = JournalRecord("decision", "note")


def test_full_disk_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1500) as folder, Store.open(folder / "fleet.db") as store:
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(200_000))
        written = 0
        with pytest.raises(StoreError, match="no room left for the database") as caught:
            while written < 2000:
                written += len(store.journal.append([BIG] * 4, at=START, actor="fleet@a"))
        assert "free some space" in caught.value.hint
        assert store.journal.count() == written > 0
        assert store.journal.verify() == []
        ballast.unlink()
        store.journal.append([BIG], at=START, actor="fleet@a")
        assert store.journal.count() == written + 1
        assert store.journal.verify() == []


def test_disk_that_is_full_from_the_start(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as folder:
        with pytest.raises(StoreError, match="no room left"):
            Store.open(folder / "fleet.db")
        assert rows(str(folder / "fleet.db"), "SELECT name FROM sqlite_master") == []


def closed(path: Path) -> None:
    """As a process leaves it that ends normally: everything is in one file."""
    _filled(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def killed(path: Path) -> None:
    """As a crash of the host leaves it: the last commits are in the log, and what processes share is gone."""
    aside = path.with_name("aside")
    aside.mkdir()
    with _filled(aside / path.name):
        for each in (aside / path.name, aside / f"{path.name}-wal"):
            (path.parent / each.name).write_bytes(each.read_bytes())
    for each in aside.iterdir():
        each.unlink()


def _filled(path: Path) -> Store:
    store = Store.open(path)
    store.clusters.add(ClusterRow(name="east", sites=("fra",)))
    store.inventory.sync(a_snapshot([a_node("n-1"), a_node("n-2")]), at=START, source="sync")
    store.journal.append([BIG] * 20, at=START, actor="fleet@a")
    return store


LEFT = pytest.mark.parametrize("left", [closed, killed])


@LEFT
def test_new_process_reads_everything(left: Callable[[Path], None], tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1500) as folder:
        left(folder / "fleet.db")
        fill(folder)
        with Store.open(folder / "fleet.db") as store:
            assert [row.name for row in store.inventory.nodes()] == ["n-1", "n-2"]
            assert store.journal.count() == 20 and store.journal.verify() == []


def test_disk_without_inodes_counts_as_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1500, inodes=10) as folder:
        closed(folder / "fleet.db")
        for number in range(20):
            try:
                (folder / f"file-{number}").touch()
            except OSError:
                break
        with Store.open(folder / "fleet.db") as store:
            assert store.journal.count() == 20 and store.journal.verify() == []


@LEFT
def test_readers_block_nobody(left: Callable[[Path], None], tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1500) as folder, ExitStack() as stack:
        left(folder / "fleet.db")
        ballast = fill(folder)
        one, two = (stack.enter_context(Store.open(folder / "fleet.db")) for _ in range(2))
        assert [store.journal.count() for store in (one, two, one)] == [20, 20, 20]
        ballast.unlink()
        with Store.open(folder / "fleet.db") as other:
            other.journal.append([NOTE], at=START, actor="fleet@a")
            assert [store.journal.count() for store in (one, two)] == [21, 21]
            assert one.journal.verify() == []


@LEFT
def test_writer_is_told_what_to_free_and_continues_after(
    left: Callable[[Path], None], tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 1500) as folder:
        left(folder / "fleet.db")
        ballast = fill(folder)
        with Store.open(folder / "fleet.db") as store:
            for _ in range(2):
                with pytest.raises(NoRoomError) as caught:
                    store.journal.append([NOTE], at=START, actor="fleet@a")
                assert f"ballast {size(ballast.stat().st_size)}, fleet.db " in caught.value.hint
                assert "has 0 B left" in caught.value.hint
                assert store.journal.count() == 20
            ballast.unlink()
            store.journal.append([NOTE], at=START, actor="fleet@a")
            assert store.journal.count() == 21 and store.journal.verify() == []
        with Store.open(folder / "fleet.db") as other:
            assert other.journal.count() == 21


@pytest.fixture
def on_a_small_disk(
    postgres_server: str, postgres_template: object, numbered: Callable[[], str]
) -> Iterator[tuple[str, Path]]:
    """A database of PostgreSQL in a tablespace of some megabytes; its URL, and the disk."""
    name = numbered()
    with (
        tempfile.TemporaryDirectory(prefix="fleet-") as place,
        small_disk(Path(place) / "disk", 24_000) as disk,
        closing(psycopg.connect(postgres_server.format("postgres"), autocommit=True)) as admin,
    ):
        user = pwd.getpwnam("postgres")
        os.chown(disk, user.pw_uid, user.pw_gid)
        Path(place).chmod(0o755)
        admin.execute(f"CREATE TABLESPACE small_{name} LOCATION '{disk}'")
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template_of_fleet TABLESPACE small_{name}")
        try:
            yield postgres_server.format(name), disk
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            admin.execute(f"DROP TABLESPACE small_{name}")


def test_postgresql_on_a_full_disk_is_read_and_written_again_when_there_is_room(
    on_a_small_disk: tuple[str, Path],
) -> None:
    place, disk = on_a_small_disk
    with Store.open(place, create=False) as store:
        ballast = fill(disk)
        written = 0
        with pytest.raises(NoRoomError) as caught:
            while written < 5000:
                written += len(store.journal.append([BIG] * 20, at=START, actor="fleet@a"))
        assert caught.value.hint
        assert store.journal.count() == written and store.journal.verify() == []
        with Store.open(place, create=False) as other:
            assert other.journal.count() == written
        ballast.unlink()
        store.journal.append([BIG] * 20, at=START, actor="fleet@a")
        assert store.journal.count() == written + 20 and store.journal.verify() == []


@pytest.mark.parametrize("fresh", ["postgresql"], indirect=True)
def test_read_only_postgresql_is_read(place: str, tamper: Callable[..., None]) -> None:
    """As some do when its disk is nearly full."""
    name = place.partition("?")[0].rpartition("/")[2]
    tamper(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with Store.open(place, create=False) as store:
        assert store.journal.verify() == []
        with pytest.raises(ReadOnlyError) as caught:
            store.journal.append([NOTE], at=START, actor="fleet@a")
        assert "disk" in caught.value.hint


SORTING = """
import sys
from fleet.store.db.address import DatabaseAddress
from fleet.store.db.sqlite import SqliteDatabase

with SqliteDatabase(DatabaseAddress.parse(sys.argv[1]), create=False).read() as transaction:
    print(len(transaction.all("SELECT detail || seq FROM journal ORDER BY detail || seq")))
"""


def test_sorting_needs_no_disk_space(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    with Store.open(path) as store:
        store.journal.append([BIG] * 2000, at=START, actor="fleet@a")
    with small_disk(tmp_path / "disk", 64) as folder:
        fill(folder)
        done = subprocess.run(
            [sys.executable, "-c", SORTING, path],
            env={**os.environ, "SQLITE_TMPDIR": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.stdout, done.stderr) == ("2000\n", "")


@pytest.mark.parametrize(
    ("count", "arguments"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345, "12 kB"),
        (2_252_800, "2.3 MB"),
        (8e13, "80.0 TB"),
    ],
)
def test_database_sizes(count: float, arguments: str) -> None:
    assert size(count) == arguments
