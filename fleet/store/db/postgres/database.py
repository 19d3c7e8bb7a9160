"""The interface that the tables of the store need of a database, on PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from threading import RLock, Timer
from typing import Any, LiteralString

import psycopg
from psycopg import Cursor
from psycopg.errors import Diagnostic

from fleet.store.db.address import DatabaseAddress
from fleet.store.db.database import BUSY_SECONDS, Row, in_utc
from fleet.store.db.postgres.connection import READ_SECONDS, PostgresSession, cancel, connect
from fleet.store.db.postgres.refusals import refusal, unconfirmed

READ: LiteralString = (
    f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '{READ_SECONDS}s'; "
)
WRITE: LiteralString = f"BEGIN; SET LOCAL statement_timeout = '{BUSY_SECONDS}s'; "


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
        self._warned = False
        """The server has warned since the last transaction began to commit."""
        with self._errors():
            self._session = self._connect()

    @contextmanager
    def read(self) -> Iterator[PostgresTransaction]:
        with self._transaction(READ, self._end) as transaction:
            yield transaction

    @contextmanager
    def write(self, lock: str) -> Iterator[PostgresTransaction]:
        with self._transaction(WRITE, self._commit) as transaction:
            transaction.run("SELECT pg_advisory_xact_lock(?)", [lock_key(lock)])
            yield transaction

    @contextmanager
    def _transaction(
        self, begin: LiteralString, end: Callable[[Cursor[Row]], None]
    ) -> Iterator[PostgresTransaction]:
        with self._lock, self._errors():
            if self._session.connection.closed:
                # The server was restarted or closed the connection; a transaction that was open then has failed.
                self._session = self._connect()
            connection, settings = self._session
            with connection.cursor() as cursor:
                try:
                    cursor.execute(begin + settings, prepare=False)
                    yield PostgresTransaction(cursor)
                    end(cursor)
                except psycopg.errors.ReadOnlySqlTransaction:
                    # The server is a standby now: another one is, or will be, the primary.
                    connection.close()
                    raise
                except BaseException:
                    if not connection.closed:
                        cursor.execute("ROLLBACK", prepare=False)
                    raise

    def _end(self, cursor: Cursor[Row]) -> None:
        """Ends a transaction that has written nothing: it waits for no standby."""
        cursor.execute("COMMIT", prepare=False)

    def _commit(self, cursor: Cursor[Row]) -> None:
        """Commits. Raises StoreError where no synchronous standby has confirmed the commit in time: the server, whose
        time-outs do not apply to this wait, is asked to end it, and then reports success with a warning. Source:
        PostgreSQL's `SyncRepWaitForLSN`."""
        self._warned = False
        timer = Timer(BUSY_SECONDS, cancel, [cursor.connection])
        timer.start()
        try:
            cursor.execute("COMMIT", prepare=False)
        finally:
            timer.cancel()
            # A request that is on its way would end the next statement.
            timer.join()
        if self._warned:
            raise unconfirmed(self.address)

    def _connect(self) -> PostgresSession:
        session = connect(self.address)
        session.connection.add_notice_handler(self._notice)
        return session

    def _notice(self, notice: Diagnostic) -> None:
        self._warned = self._warned or notice.severity_nonlocalized == "WARNING"

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
            self._session.connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            # The cause is left out: the library's message may quote the password.
            raise refusal(self.address, error) from None


def lock_key(lock: str) -> int:
    """Returns the 64-bit number of an advisory lock, which is valid in one database."""
    digest = hashlib.sha256(f"fleet/{lock}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


@lru_cache(maxsize=256)
def _marked(sql: str) -> LiteralString:
    return sql.replace("?", "%s")
