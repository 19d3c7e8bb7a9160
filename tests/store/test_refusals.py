"""What a database refuses comes as one clear message; nothing is half done."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fleet.core.records.errors import SchemaError, StoreError, UsageError
from fleet.store import Store
from fleet.store.db.address import DatabaseAddress
from fleet.store.db.sqlite import SqliteDatabase
from tests.store.raw import raw


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no folder") as caught:
        Store.open(tmp_path / "nowhere" / "fleet.db")
    assert caught.value.hint


def test_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text("pools: []\n" * 200)
    with pytest.raises(SchemaError, match="is not a database of fleet"):
        Store.open(path)


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(tmp_path)


def test_url_with_another_scheme() -> None:
    with pytest.raises(UsageError, match="unknown kind of database: mysql://"):
        Store.open("mysql://root@localhost/fleet")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("fleet.db", "fleet.db"),
        ("sqlite:///fleet.db", "fleet.db"),
        ("sqlite:////var/lib/fleet.db", "/var/lib/fleet.db"),
    ],
)
def test_ways_to_name_a_file(text: str, path: str) -> None:
    assert DatabaseAddress.parse(text) == DatabaseAddress("sqlite", Path(path))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret%21x@127.0.0.1:1/fleet",
        "postgres://ann:s3cret%21x@127.0.0.1:1/fleet",
        "postgresql+psycopg://ann@127.0.0.1:1/fleet?password=s3cret%21x&connect_timeout=2",
        "postgresql://ann:s3cret%21x@127.0.0.1:port/fleet",
        "postgresql://ann:s3cret%21x@[127.0.0.1/fleet",
        "postgresql://ann:s3cret@s3cret@127.0.0.1:1/fleet",
        "postgresql://ann:s3/cret%21@127.0.0.1:1/fleet",
    ],
)
def test_password_is_never_shown(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        Store.open(url)
    reported = f"{caught.value.message} {caught.value.hint} {caught.value.__cause__}"
    assert "s3" not in reported
    assert "cret" not in reported
    assert "ann" in reported
    assert "***" in reported


def test_server_that_does_not_answer() -> None:
    with pytest.raises(StoreError, match="does not answer") as caught:
        Store.open("postgresql://ann@127.0.0.1:1/fleet")
    assert "check that the server runs" in caught.value.hint


def test_database_that_the_server_does_not_have(postgres_server: str) -> None:
    with pytest.raises(StoreError, match="no_such_database") as caught:
        Store.open(postgres_server.format("no_such_database"))
    assert caught.value.hint


def test_dropped_connection_is_opened_again(postgres_template: object, numbered: object) -> None:
    assert callable(postgres_template)
    assert callable(numbered)
    place = postgres_template(numbered())
    with Store.open(place) as store:
        with closing(raw(place)) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        with pytest.raises(StoreError):
            store.journal.count()
        assert store.journal.count() == 0


def test_locked_database_names_possible_holders(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    Store.open(path).close()
    with (
        Store(SqliteDatabase(DatabaseAddress.parse(path), create=False, wait=0.1)) as store,
        closing(raw(str(path))) as someone,
    ):
        someone.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is locked") as caught:
            store.settings.set("home", "live")
        assert "another fleet process" in caught.value.hint
        assert store.settings.get("home") is None
        someone.execute("ROLLBACK")
        store.settings.set("home", "live")


def test_new_database_gets_its_mode_while_another_process_writes(tmp_path: Path) -> None:
    """Of several that open one at once. SQLite waits for a writer, but not where it would change the mode."""
    address = DatabaseAddress("sqlite", tmp_path / "fleet.db")
    database, tried = SqliteDatabase(address, create=True), 0
    with writing(address.path) as writer, closing(database):

        def at(statement: str) -> None:
            nonlocal tried
            tried += 1
            if tried == 3:
                writer.rollback()

        database.connection.set_trace_callback(at)
        database.settle()
        assert tried == 3
    with closing(raw(str(address.path))) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_database_that_stays_locked_is_an_error_after_the_wait(tmp_path: Path) -> None:
    address = DatabaseAddress("sqlite", tmp_path / "fleet.db")
    database = SqliteDatabase(address, create=True, wait=0.1)
    with writing(address.path), closing(database), pytest.raises(StoreError, match="is locked"):
        database.settle()


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        yield writer


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_folder_without_write_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(tmp_path / "fleet.db")
