"""Names the risks that a failover or a crash of PostgreSQL loses commits, by the server's settings and the URL."""

from __future__ import annotations

from msgspec import Struct

from fleet.store.db.address import DatabaseAddress
from fleet.store.db.database import SqlDatabase
from fleet.store.db.postgres.connection import PRIMARY, hosts_of, target_of

PRIMARIES = (PRIMARY, "primary")
"""Values of libpq's `target_session_attrs` that choose no standby."""


class Durability(Struct, frozen=True):
    fsync: bool
    synchronous_standby_names: str
    standbys: int
    """The standbys that replicate from this server now."""
    hosts: int
    """The hosts that the URL names."""
    target: str
    """The URL's `target_session_attrs`; empty: the URL has none, and fleet looks for the primary."""


def durability(database: SqlDatabase) -> Durability:
    """Reads the settings of the server. Raises StoreError."""
    with database.read() as transaction:
        row = transaction.one(
            "SELECT current_setting('fsync'), current_setting('synchronous_standby_names'), "
            "(SELECT count(*) FROM pg_stat_replication)"
        )
    fsync, names, standbys = row or ("on", "", 0)
    address: DatabaseAddress = database.address
    return Durability(fsync == "on", names.strip(), standbys, len(hosts_of(address)), target_of(address))


def risks(found: Durability) -> tuple[str, ...]:
    """Returns what may be lost, each with the remedy; empty: nothing that can be seen from here."""
    messages = []
    if not found.fsync:
        messages.append(
            "the database server runs with fsync off: a crash of its host may lose or damage what was written (set "
            "fsync = on)"
        )
    if not found.synchronous_standby_names and (found.standbys or found.hosts > 1):
        which = "its standbys replicate" if found.standbys else "a standby would replicate"
        messages.append(
            f"the database server waits for no standby, {which} asynchronously: a failover may lose the last entries of "
            "the journal, and fleet then stops until an operator decides (set synchronous_standby_names)"
        )
    if found.hosts > 1 and found.target and found.target not in PRIMARIES:
        messages.append(
            f"the database's URL has several hosts and target_session_attrs={found.target}: fleet may connect to a "
            f"standby, which refuses what is written (leave it out, or use {PRIMARY})"
        )
    return tuple(messages)
