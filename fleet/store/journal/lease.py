"""The database's lease: which controller leads the fleet. The lease's epoch fences the journal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct

from fleet.core.records.leadership import Leadership
from fleet.store.db.database import SqlDatabase, Transaction, moment_or_none

LOCK = "journal"
"""The lock that the lease shares with appends to the journal: the epoch does not change during an append under it."""


class StoredLease(Struct, frozen=True):
    holder: str = ""
    epoch: int = 0
    expires_at: datetime | None = None

    def free(self, at: datetime) -> bool:
        return not self.holder or self.expires_at is None or self.expires_at <= at


class ControllerLease:
    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def acquire(
        self, identity: str, *, at: datetime, seconds: int, abandoned: Callable[[str], bool]
    ) -> Leadership:
        """Takes the lease, or renews it, until `seconds` after `at`, if it is free, expired, abandoned or
        `identity`'s own."""
        with self._database.write(LOCK) as transaction:
            found = stored(transaction)
            if found.holder != identity and not found.free(at) and not abandoned(found.holder):
                return Leadership(False, found.holder, found.epoch)
            epoch = found.epoch if found.holder == identity else found.epoch + 1
            transaction.run(
                "INSERT INTO lease (id, holder, epoch, expires_at) VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
                "SET holder = excluded.holder, epoch = excluded.epoch, expires_at = excluded.expires_at",
                [identity, epoch, self._database.bind(at + timedelta(seconds=seconds))],
            )
            return Leadership(True, identity, epoch)

    def release(self, identity: str) -> None:
        """Releases the lease if `identity` holds it. The epoch stays, and the next holder's is higher. The time until
        which the lease was held stays too; it shows since when no controller works."""
        with self._database.write(LOCK) as transaction:
            transaction.run("UPDATE lease SET holder = '' WHERE id = 1 AND holder = ?", [identity])

    def ended(self) -> datetime | None:
        """Returns the latest time until which the last holder had the lease. None: there was no holder yet."""
        with self._database.read() as transaction:
            return stored(transaction).expires_at

    def epoch(self) -> int:
        """Returns the epoch of the last holder; 0 before the first."""
        with self._database.read() as transaction:
            return epoch(transaction)

    def current(self, at: datetime) -> str | None:
        """Returns the identity of the holder; None where there is none, or the lease has expired."""
        with self._database.read() as transaction:
            found = stored(transaction)
        return None if found.free(at) else found.holder


def epoch(transaction: Transaction) -> int:
    """Returns the epoch of the last holder; 0 before the first."""
    return stored(transaction).epoch


def stored(transaction: Transaction) -> StoredLease:
    """Returns the lease as it is in the database."""
    row = transaction.one("SELECT holder, epoch, expires_at FROM lease WHERE id = 1")
    return StoredLease() if row is None else StoredLease(row[0], row[1], moment_or_none(row[2]))
