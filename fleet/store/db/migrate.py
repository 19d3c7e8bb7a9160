"""Brings a database to the newest schema with Alembic. The module is slow to import, so it is imported only when there
is something to migrate."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, delete, insert, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from fleet.core.records.errors import SchemaError, StoreError
from fleet.store.db import opening, sqlite
from fleet.store.db.address import DatabaseAddress
from fleet.store.db.database import moment
from fleet.store.db.schema import OLDEST, USABLE_FROM, VERSION_TABLE
from fleet.store.db.tables import SettingTable

HERE = Path(__file__).parent / "migrations"


def migrate(address: DatabaseAddress) -> None:
    """Brings the database to the newest schema, completely or not at all, under a lock: of two processes that migrate
    at once, the second finds the work done.

    Raises SchemaError where no migration knows the version of the database, and StoreError as any writer does, or where
    a controller works on it whose program could not use the newest schema.
    """
    engine = engine_of(address)
    try:
        with engine.connect() as connection:
            _lock(address, connection)
            _require_no_controller(address, connection)
            command.upgrade(config(connection), "head")
            setting = SettingTable.__table__  # type: ignore[attr-defined]
            connection.execute(delete(setting).where(setting.c.key == USABLE_FROM))
            connection.execute(insert(setting).values(key=USABLE_FROM, value=OLDEST))
            connection.commit()
    except CommandError as error:
        raise SchemaError(f"{address.shown} cannot be migrated: {error}") from error
    except DBAPIError as error:
        raise _refusal(address, error) from None
    finally:
        engine.dispose()


def _require_no_controller(address: DatabaseAddress, connection: Connection) -> None:
    """Raises StoreError where a controller works on the database whose program cannot use the newest schema."""
    found = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()
    if found is None or found >= OLDEST:
        return
    row = connection.execute(text("SELECT holder, expires_at FROM lease WHERE holder <> ''")).first()
    if row is not None and moment(row[1]) > datetime.now(UTC):  # noqa: TID251 - as leases of the database expire
        raise StoreError(
            f"{address.shown} is not migrated: {row[0]} works on it, and cannot use the newest schema",
            "stop that controller first",
        )


def engine_of(address: DatabaseAddress) -> Engine:
    """Returns the engine through which Alembic works on the database."""
    if address.kind == "sqlite":
        return create_engine(
            "sqlite://", creator=lambda: opening.connect(address, create=True), poolclass=NullPool
        )
    from fleet.store.db.postgres.connection import connect

    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(address, autocommit=False).connection,
        poolclass=NullPool,
    )


def config(connection: Connection) -> Config:
    """Returns the configuration that `migrations/env.py` reads."""
    found = Config(attributes={"connection": connection})
    found.set_main_option("script_location", str(HERE).replace("%", "%%"))
    return found


def _lock(address: DatabaseAddress, connection: Connection) -> None:
    if address.kind == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        from fleet.store.db.postgres.connection import SETTINGS
        from fleet.store.db.postgres.database import lock_key

        connection.exec_driver_sql(SETTINGS)
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({lock_key('schema')})")


def _refusal(address: DatabaseAddress, error: DBAPIError) -> StoreError:
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return sqlite.refusal(address, cause)
    from psycopg import Error

    from fleet.store.db.postgres.refusals import refusal

    if isinstance(cause, Error):
        return refusal(address, cause)
    return StoreError(address.without_password(str(error)))
