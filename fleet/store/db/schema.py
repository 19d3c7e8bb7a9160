"""Checks that the database is fleet's and of this program's version, by one query and without Alembic."""

from __future__ import annotations

from fleet.core.records.errors import SchemaError
from fleet.store.db.database import SqlDatabase

NEWEST = "0011"
"""The newest migration in `migrations/versions`; a test compares them. Migrations count upwards."""
OLDEST = "0010"
"""The oldest schema whose programs work with a database of the newest one: since then, migrations have only added tables,
and columns that may be left out. A database remembers it for programs that are older than itself."""
USABLE_FROM = "schema-usable-from"
"""The setting under which a database remembers `OLDEST`."""
VERSION_TABLE = "fleet_schema"
"""The table in which Alembic keeps the version. Its name is fleet's own, so that another program's database is not
taken for a fleet database."""


def version(database: SqlDatabase) -> str:
    """Returns the version of the schema; empty where the database is empty. Raises SchemaError where the schema is
    not fleet's, or newer and changed in such a way that this program cannot use it."""
    tables = database.tables()
    if not tables:
        return ""
    found = _stored(database) if VERSION_TABLE in tables else None
    if found is None:
        raise SchemaError(
            f"{database.address.shown} is not a database of fleet: it has other tables",
            "choose another one with --database",
        )
    if not (found.isascii() and found.isdigit()):
        # Other texts are relative to Alembic: -1 is a step back.
        raise SchemaError(
            f"{database.address.shown} has a schema version that does not exist: {found}",
            "restore it from a backup: another program has written to it",
        )
    if found > NEWEST and not _usable(database):
        raise SchemaError(
            f"{database.address.shown} belongs to a newer fleet: its schema is {found}, this program knows {NEWEST}",
            "install the newer fleet, or choose another database with --database",
        )
    return found


def _usable(database: SqlDatabase) -> bool:
    """Returns whether a database with a newer schema says that this program can work with it."""
    with database.read() as transaction:
        row = transaction.one("SELECT value FROM setting WHERE key = ?", [USABLE_FROM])
    return row is not None and str(row[0]) <= NEWEST


def _stored(database: SqlDatabase) -> str | None:
    with database.read() as transaction:
        row = transaction.one(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608
    return None if row is None else str(row[0])
