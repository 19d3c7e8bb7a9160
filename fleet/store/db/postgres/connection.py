"""A connection to PostgreSQL, directly or through a pooler, to one server or to whichever of several is the primary."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, LiteralString, NamedTuple, cast

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict

from fleet.store.db.address import DatabaseAddress
from fleet.store.db.database import BUSY_SECONDS, Row

CONNECT_SECONDS = 5
"""Seconds that each host of the URL has to answer. A controller's lease in a cluster lasts 15."""
READ_SECONDS = 60
"""Seconds that one statement may take in a transaction that reads."""
IDLE_SECONDS = 30
"""Seconds after which the server ends the transaction of a process that was stopped, so that its locks hold up no
other."""
WEAKER = ("off", "local", "remote_write")
"""Values of synchronous_commit with which a commit is reported before it is on the disks that the server has for it."""
PRIMARY = "read-write"
"""libpq's `target_session_attrs` of a server that can be written."""

SETTINGS: LiteralString = (
    "SET LOCAL TIME ZONE 'UTC'; "
    f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'; "
    f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"
)
"""Statements that begin every transaction. A session's settings would be lost, or be another program's, behind a pooler that
gives each transaction another session."""
DURABLE: LiteralString = "; SET LOCAL synchronous_commit = on"


class PostgresSession(NamedTuple):
    connection: Connection[Row]
    settings: LiteralString
    """Statements that begin each transaction."""


def connect(address: DatabaseAddress, *, autocommit: bool = True) -> PostgresSession:
    """Connects to the server. With several hosts and no `target_session_attrs` in the URL: to the primary, or to a
    standby while there is none. Raises psycopg.Error."""
    options = conninfo_to_dict(address.url)
    if len(hosts_of(address)) == 1 or target_of(address):
        return _connect(options, autocommit)
    try:
        return _connect(options | {"target_session_attrs": PRIMARY}, autocommit)
    except psycopg.OperationalError:
        # A standby answers questions, and refuses what is written.
        return _connect(options, autocommit)


def hosts_of(address: DatabaseAddress) -> list[str]:
    """Returns the hosts that the URL names. Raises psycopg.Error for a URL that libpq cannot read."""
    options = conninfo_to_dict(address.url)
    return str(options.get("hostaddr") or options.get("host") or "").split(",")


def target_of(address: DatabaseAddress) -> str:
    """Returns the URL's `target_session_attrs`; empty: it has none."""
    return str(conninfo_to_dict(address.url).get("target_session_attrs") or "")


def cancel(connection: Connection[Row]) -> None:
    """Asks the server to end the statement at work, if it can be reached: else the statement ends with its connection."""
    with suppress(psycopg.Error):
        connection.cancel()


def _connect(options: dict[str, Any], autocommit: bool) -> PostgresSession:
    defaults: dict[str, Any] = {
        "connect_timeout": str(CONNECT_SECONDS),
        "application_name": "fleet",
        # A server that has vanished is noticed while its answer is awaited.
        "tcp_user_timeout": str(BUSY_SECONDS * 1000),
        "keepalives_idle": "5",
        "keepalives_interval": "2",
        "keepalives_count": "3",
    }
    connection = cast("Connection[Row]", psycopg.connect(**(defaults | options), autocommit=True))
    try:
        row = connection.execute(
            "SELECT pg_backend_pid(), current_setting('synchronous_commit')", prepare=False
        ).fetchone()
        if row is None or row[0] != connection.info.backend_pid:
            # A pooler: the next transaction may run in a session that does not know the statement.
            connection.prepare_threshold = None
        connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    return PostgresSession(connection, SETTINGS + DURABLE if row is None or row[1] in WEAKER else SETTINGS)
