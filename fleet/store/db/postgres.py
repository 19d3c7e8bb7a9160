"""PostgreSQL through psycopg 3. The module is imported only where a database's URL is one of PostgreSQL's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from threading import RLock
from typing import Any, LiteralString, cast

import psycopg
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict

from fleet.core.records.errors import NoRoomError, ReadOnlyError, StoreError
from fleet.store.db.address import DatabaseAddress
from fleet.store.db.database import BUSY_SECONDS, Row, in_utc


class PostgresTransaction:
    def __init__(self, cursor: Cursor[Row]) -> None:
        self._cursor = cursor

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._cursor.execute(_marked(sql), values).fetchall()

    def one(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        return self._cursor.execute(_marked(sql), values).fetchone()

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._cursor.execute(_marked(sql), values).rowcount

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self._cursor.executemany(_marked(sql), rows)


class PostgresDatabase:
    def __init__(self, address: DatabaseAddress) -> None:
        """Connects to the database. Raises StoreError where the server does not answer or refuses."""
        self.address = address
        self._lock = RLock()
        with self._errors():
            self._connection = connect(address)

    @contextmanager
    def read(self) -> Iterator[PostgresTransaction]:
        with self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as transaction:
            yield transaction

    @contextmanager
    def write(self, lock: str) -> Iterator[PostgresTransaction]:
        with self._transaction("BEGIN") as transaction:
            transaction.run("SELECT pg_advisory_xact_lock(?)", [lock_key(lock)])
            yield transaction

    @contextmanager
    def _transaction(self, begin: LiteralString) -> Iterator[PostgresTransaction]:
        with self._lock, self._errors():
            if self._connection.closed:
                # The server was restarted or closed the connection; a transaction that was open then has failed.
                self._connection = connect(self.address)
            with self._connection.cursor() as cursor:
                cursor.execute(begin)
                try:
                    yield PostgresTransaction(cursor)
                    cursor.execute("COMMIT")
                except BaseException:
                    if not self._connection.closed:
                        cursor.execute("ROLLBACK")
                    raise

    def bind(self, at: datetime) -> datetime:
        return in_utc(at)

    def tables(self) -> set[str]:
        with self.read() as transaction:
            found = transaction.all(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
            )
            return {name for (name,) in found}

    def settle(self) -> None:
        """Does nothing: no settings are kept in the database."""

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            # The cause is left out: the library's message may quote the password.
            raise refusal(self.address, error) from None


def connect(address: DatabaseAddress, *, autocommit: bool = True) -> Connection[Row]:
    """Connects to the server. Raises StoreError with a remedy."""
    options = conninfo_to_dict(address.url)
    options.setdefault("connect_timeout", str(BUSY_SECONDS))
    options.setdefault("application_name", "fleet")
    connection = cast("Connection[Row]", psycopg.connect(**options, autocommit=True))  # type: ignore[arg-type]
    connection.execute("SET TIME ZONE 'UTC'")
    connection.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
    connection.autocommit = autocommit
    return connection


def lock_key(lock: str) -> int:
    """Returns the 64-bit number of an advisory lock, which is valid in one database."""
    digest = hashlib.sha256(f"fleet/{lock}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


@lru_cache(maxsize=256)
def _marked(sql: str) -> LiteralString:
    return sql.replace("?", "%s")


def refusal(address: DatabaseAddress, error: psycopg.Error) -> StoreError:
    """Returns the StoreError for an error of PostgreSQL. Source of the codes: PostgreSQL's manual, appendix A."""
    code = error.sqlstate or ""
    message = address.without_password(" ".join(str(error).split()))
    for codes, summary, hint in REFUSALS:
        if code.startswith(codes):
            return UNWRITABLE.get(code, StoreError)(f"{summary}: {address.shown}: {message}", hint)
    if not code:
        return StoreError(
            f"the database {address.shown} does not answer: {message}",
            "check that the server runs, and host, port and password",
        )
    return StoreError(f"the database {address.shown} refused: {message} ({code})")


FULL, ONLY_READ, FORBIDDEN = "53100", "25006", "42501"
UNWRITABLE: Mapping[str, type[StoreError]] = {
    FULL: NoRoomError,
    ONLY_READ: ReadOnlyError,
    FORBIDDEN: ReadOnlyError,
}
REFUSALS = (
    (
        ("55P03", "40P01"),
        "the database is locked",
        "another fleet process is writing; pg_stat_activity shows it",
    ),
    (
        (FULL,),
        "no room left for the database",
        "free some space on the server, but nothing in its data folder. Nothing was written, what was committed is safe",
    ),
    (
        (ONLY_READ,),
        "the database may not be written",
        "if it is a standby, use the primary; if its disk is full (some providers then refuse all writes), free some space",
    ),
    ((FORBIDDEN,), "the database denies it", "grant the user CREATE and all rights on the schema"),
    (("28",), "the database refused the user", "check user, password and pg_hba.conf"),
    (("3D000",), "the database does not exist", "create it: createdb NAME"),
    (("53", "57"), "the server cannot serve now", "try again when it has recovered"),
)
