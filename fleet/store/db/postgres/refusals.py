"""Messages and remedies for errors of PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from fleet.core.records.errors import NoRoomError, ReadOnlyError, StoreError
from fleet.store.db.address import DatabaseAddress

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
    (
        ("57014",),
        "the database took too long",
        "pg_stat_activity shows what it waits for; with a synchronous standby, check that the standby runs",
    ),
    (
        ("08P01",),
        "the connection pooler refused",
        "PgBouncer works with pool_mode = transaction or session",
    ),
    (("53", "57"), "the server cannot serve now", "try again when it has recovered"),
)


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


def unconfirmed(address: DatabaseAddress) -> StoreError:
    """Returns the error for a commit that is on the primary's disk and that no synchronous standby has confirmed: a
    failover may lose it."""
    return StoreError(
        f"no synchronous standby of {address.shown} has confirmed what was written",
        "check that a standby of synchronous_standby_names runs and is reached",
    )
