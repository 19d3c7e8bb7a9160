"""Checks that the database is fleet's and of this program's version, by one query and without Alembic."""

from __future__ import annotations

from fleet.core.records.errors import SchemaError
from fleet.store.db.database import SqlDatabase

NEWEST = "0011"
"""The newest migration in `migrations/versions`; a test compares them. Migrations count upwards."""
VERSION_TABLE = "fleet_schema"
"""The table in which Alembic keeps the version. Its name is fleet's own, so that another program's database is not
taken for a fleet database."""


def version(database: SqlDatabase) -> str:
    """Returns the version of the schema; empty where the database is empty. Raises SchemaError where the schema is
    newer, or not fleet's."""
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
    if found > NEWEST:
        raise SchemaError(
            f"{database.address.shown} belongs to a newer fleet: its schema is {found}, this program knows {NEWEST}",
            "install the newer fleet, or choose another database with --database",
        )
    return found


def _stored(database: SqlDatabase) -> str | None:
    with database.read() as transaction:
        row = transaction.one(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608
    return None if row is None else str(row[0])
