"""Brings a database to the newest schema with Alembic. The module is slow to import, so it is imported only when there
is something to migrate."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from fleet.core.records.errors import SchemaError, StoreError
from fleet.store.db import opening, sqlite
from fleet.store.db.address import DatabaseAddress

HERE = Path(__file__).parent / "migrations"


def migrate(address: DatabaseAddress) -> None:
    """Brings the database to the newest schema, completely or not at all, under a lock: of two processes that migrate
    at once, the second finds the work done.

    Raises SchemaError where no migration knows the version of the database, and StoreError as any writer does.
    """
    engine = engine_of(address)
    try:
        with engine.connect() as connection:
            _lock(address, connection)
            command.upgrade(config(connection), "head")
            connection.commit()
    except CommandError as error:
        raise SchemaError(f"{address.shown} cannot be migrated: {error}") from error
    except DBAPIError as error:
        raise _refusal(address, error) from None
    finally:
        engine.dispose()


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
