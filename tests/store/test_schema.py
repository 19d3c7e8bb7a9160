"""Databases of every age: empty, ours, newer, somebody else's; and the migrations against the tables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from fleet.core.errors import SchemaError, StoreError
from fleet.store import Store
from fleet.store.address import Address
from fleet.store.migrate import config, engine_of
from fleet.store.schema import NEWEST, VERSION_TABLE
from fleet.store.tables import Table
from tests.store.raw import raw, rows

Tamper = Callable[..., None]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables; on SQLite there is not even a file."""
    if request.param == "sqlite":
        return str(tmp_path / "fleet.db")
    server: str = request.getfixturevalue("postgres_server")
    name = request.getfixturevalue("numbered")()
    with closing(raw(server.format("postgres"))) as admin:
        admin.autocommit = True
        admin.execute(f"CREATE DATABASE {name}")
    return server.format(name)


def test_an_empty_database_gets_its_tables(empty: str) -> None:
    with Store.open(empty) as store:
        assert store.journal.count() == 0
    assert rows(empty, f"SELECT version_num FROM {VERSION_TABLE}") == [(NEWEST,)]


def test_nothing_is_made_where_it_is_not_asked_for(empty: str) -> None:
    with pytest.raises(StoreError, match="no database at"):
        Store.open(empty, create=False)
    if not empty.startswith("postgresql"):
        assert not Path(empty).exists()


OPENING = """
import sys
import fleet.store.migrate
from fleet.store import Store

print("ready", flush=True)
sys.stdin.readline()
print(Store.open(sys.argv[1]).journal.count(), flush=True)
"""


def test_processes_that_open_a_new_database_at_once_make_it_once(empty: str) -> None:
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPENING, empty], stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60) for process in processes] == [("0\n", "")] * 4


def test_migrations_make_the_tables_as_they_are_defined(place: str) -> None:
    engine = engine_of(Address.parse(place))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        differences = compare_metadata(context, Table.metadata)
        newest = ScriptDirectory.from_config(config(connection)).get_heads()
    engine.dispose()
    assert differences == []
    assert newest == [NEWEST]


def test_a_newer_database_is_refused_and_stays_as_it_is(place: str, tamper: Tamper) -> None:
    tamper(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(SchemaError, match="is of a newer fleet: its schema is 9999") as caught:
        Store.open(place)
    assert caught.value.exit_code == 2
    assert rows(place, f"SELECT version_num FROM {VERSION_TABLE}") == [("9999",)]


def test_a_version_that_is_none_of_ours_is_refused(place: str, tamper: Tamper) -> None:
    tamper(f"UPDATE {VERSION_TABLE} SET version_num = '0000x'")
    with pytest.raises(SchemaError, match="cannot be brought up to date"):
        Store.open(place)


def test_another_programs_database_is_refused_and_stays_as_it_is(empty: str) -> None:
    with closing(raw(empty)) as connection:
        connection.cursor().execute("CREATE TABLE invoices (id INTEGER)")
        connection.commit()
    with pytest.raises(SchemaError, match="is not a database of fleet"):
        Store.open(empty)
    if not empty.startswith("postgresql"):
        assert rows(empty, "SELECT name FROM sqlite_master") == [("invoices",)]
        assert rows(empty, "PRAGMA journal_mode") == [("delete",)]
