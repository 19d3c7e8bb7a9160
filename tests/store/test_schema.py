"""Databases of every age: empty, ours, newer, another program's; and the migrations against the tables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from fleet.core.records.errors import SchemaError, StoreError
from fleet.core.records.journal import JournalRecord
from fleet.lab.simulation.builders import START
from fleet.store import Store
from fleet.store.db.address import DatabaseAddress
from fleet.store.db.migrate import config, engine_of
from fleet.store.db.schema import NEWEST, VERSION_TABLE
from fleet.store.db.tables import Table
from fleet.store.journal import chain
from fleet.store.journal.signing import PrivateKey
from fleet.system.clock import WallClock
from tests.store.raw import raw, rows
from tests.store.test_chain import a_chain

Tamper = Callable[..., None]
RECORD = JournalRecord("decision", "halt", "r-1")


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


def test_empty_database_gets_its_tables(empty: str) -> None:
    with Store.open(empty) as store:
        assert store.journal.count() == 0
    assert rows(empty, f"SELECT version_num FROM {VERSION_TABLE}") == [(NEWEST,)]


def test_no_database_is_created_unless_asked_for(empty: str) -> None:
    with pytest.raises(StoreError, match="no database at"):
        Store.open(empty, create=False)
    if not empty.startswith("postgresql"):
        assert not Path(empty).exists()


OPENING = """
import sys
import fleet.store.db.migrate
from fleet.store import Store
from fleet.store.journal import chain

print("ready", flush=True)
sys.stdin.readline()
print(Store.open(sys.argv[1]).journal.count(), flush=True)
"""


def test_processes_that_open_a_new_database_concurrently_create_it_once(empty: str) -> None:
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


def test_migrations_create_the_tables_as_they_are_defined(place: str) -> None:
    engine = engine_of(DatabaseAddress.parse(place))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        differences = compare_metadata(context, Table.metadata)
        newest = ScriptDirectory.from_config(config(connection)).get_heads()
    engine.dispose()
    assert differences == []
    assert newest == [NEWEST]


@pytest.mark.parametrize("usable_from", ["9998", "9999"])
def test_newer_database_is_refused_and_left_unchanged(place: str, tamper: Tamper, usable_from: str) -> None:
    tamper(f"UPDATE {VERSION_TABLE} SET version_num = '9999'", f"UPDATE setting SET value = '{usable_from}'")
    with pytest.raises(SchemaError, match="belongs to a newer fleet: its schema is 9999") as caught:
        Store.open(place)
    assert caught.value.exit_code == 2
    assert rows(place, f"SELECT version_num FROM {VERSION_TABLE}") == [("9999",)]


def test_older_program_goes_on_beside_a_newer_one_where_its_migration_only_adds(
    place: str, tamper: Tamper
) -> None:
    """The newer program, with a table and a column that this one does not know, migrates while this one works; and this
    one starts again afterwards."""
    with Store.open(place) as old:
        old.journal.append([RECORD], at=START, actor="ann@c")
        tamper(
            "CREATE TABLE novelty (id INTEGER PRIMARY KEY)",
            "ALTER TABLE plan ADD COLUMN novelty TEXT",
            f"UPDATE {VERSION_TABLE} SET version_num = '9999'",
        )
        old.journal.append([RECORD], at=START, actor="ann@c")
    with Store.open(place) as again:
        again.journal.append([RECORD], at=START, actor="ann@c")
        assert again.journal.count() == 3
        assert again.journal.verify() == []
    assert rows(place, f"SELECT version_num FROM {VERSION_TABLE}") == [("9999",)]


def test_database_is_not_migrated_under_a_controller_that_could_not_go_on(place: str, tamper: Tamper) -> None:
    now = WallClock().now()
    with Store.open(place) as old:
        old.lease.acquire("fleet@a/1/1", at=now, seconds=60, abandoned=lambda holder: False)
    tamper(f"UPDATE {VERSION_TABLE} SET version_num = '0009'")
    with pytest.raises(StoreError, match="fleet@a/1/1 works on it"):
        Store.open(place)
    assert rows(place, f"SELECT version_num FROM {VERSION_TABLE}") == [("0009",)]


@pytest.mark.parametrize(
    ("version", "arguments"),
    [
        ("0000", "cannot be migrated"),
        ("0000x", "a schema version that does not exist"),
        ("-1", "a schema version that does not exist"),
    ],
)
def test_unknown_schema_version_is_refused(place: str, tamper: Tamper, version: str, arguments: str) -> None:
    tamper(f"UPDATE {VERSION_TABLE} SET version_num = '{version}'")
    with pytest.raises(SchemaError, match=arguments):
        Store.open(place)


def test_database_of_another_program_is_refused_and_left_unchanged(empty: str) -> None:
    with closing(raw(empty)) as connection:
        connection.cursor().execute("CREATE TABLE invoices (id INTEGER)")
        connection.commit()
    with pytest.raises(SchemaError, match="is not a database of fleet"):
        Store.open(empty)
    if not empty.startswith("postgresql"):
        assert rows(empty, "SELECT name FROM sqlite_master") == [("invoices",)]
        assert rows(empty, "PRAGMA journal_mode") == [("delete",)]


def test_database_of_the_first_release_keeps_its_data(empty: str) -> None:
    """Written by the statements of that time, not by today's program."""
    at_version(empty, "0001")
    entries = a_chain(3)
    at = START.isoformat(timespec="microseconds")
    with closing(raw(empty)) as connection:
        cursor = connection.cursor()
        for argument in ("site", "setting"):
            values = "'fra'" if argument == "site" else "'word', 'kept'"
            cursor.execute(f"INSERT INTO {argument} VALUES ({values})")
        cursor.execute(
            "INSERT INTO cluster VALUES ('east', 'kubeconfig', '/k', '', 'uid-east', 'v1.36.3', NULL, '', NULL, NULL)"
        )
        cursor.execute("INSERT INTO cluster_site VALUES ('east', 'fra', 0)")
        cursor.execute(f"INSERT INTO lease VALUES (1, 'fleet@a/1/2', 7, '{at}')")
        for entry in entries:
            written = entry.at.isoformat(timespec="microseconds")
            cursor.execute(
                "INSERT INTO journal (seq, at, actor, epoch, form, kind, rollout, node, detail, prev_hash, hash) "
                f"VALUES ({entry.seq}, '{written}', '{entry.actor}', {entry.epoch}, '{entry.record.form}', "
                f"'{entry.record.kind}', '{entry.record.rollout}', '{entry.record.node}', "
                f"'{chain.canonical(entry.record.detail).decode()}', '{entry.prev_hash}', '{entry.hash}')"
            )
        cursor.execute(f"INSERT INTO checkpoint VALUES (1, 3, '{entries[-1].hash}', 3)")
        connection.commit()
    with Store.open(empty) as store:
        assert rows(empty, f"SELECT version_num FROM {VERSION_TABLE}") == [(NEWEST,)]
        assert list(store.journal.entries()) == entries
        assert store.journal.verify() == []
        assert [(row.name, row.sites, row.uid) for row in store.clusters.list()] == [
            ("east", ("fra",), "uid-east")
        ]
        assert rows(empty, "SELECT value FROM setting WHERE key = 'word'") == [("kept",)]
        assert rows(empty, "SELECT holder, epoch FROM lease") == [("fleet@a/1/2", 7)]
        assert store.checkpoints.all() == []
        assert not store.requests.of("")
        signed = store.checkpoints.sign(PrivateKey.new(), START)
        assert signed is not None and signed.seq == 3


def at_version(place: str, version: str) -> None:
    engine = engine_of(DatabaseAddress.parse(place))
    with engine.connect() as connection:
        command.upgrade(config(connection), version)
        connection.commit()
    engine.dispose()
