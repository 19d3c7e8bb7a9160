"""Messages to operators, and how far each has been delivered to each receiver. The controller that leads writes these
rows; every write is fenced by its epoch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from fleet.core.notifications.delivery import Delivery, DeliveryState, overflow
from fleet.core.records.errors import StoreError
from fleet.store.db.database import TAMPERED, Row, SqlDatabase, Transaction, moment
from fleet.store.journal import lease
from fleet.store.journal.journal import fence
from fleet.store.settings import set_in

COLUMNS = "receiver, key, seq, at, important, waits, title, body, state, queued_at, attempts, reminders, unknown, error"
SELECT = f"SELECT {COLUMNS} FROM message"  # noqa: S608
READ = "messages.seq"
"""The setting with the seq of the journal entry up to which messages were derived."""


class SqlMessages:
    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def read_until(self) -> int:
        """Returns the seq of the journal entry up to which messages were derived; 0 before the first."""
        with self._database.read() as transaction:
            row = transaction.one("SELECT value FROM setting WHERE key = ?", [READ])
        try:
            return 0 if row is None else int(row[0])
        except ValueError:
            raise StoreError(f"the setting {READ} is {row!r}", TAMPERED) from None

    def take_in(
        self, seq: int, made: Sequence[Delivery], settled: Collection[str], *, epoch: int
    ) -> list[Delivery]:
        """Queues deliveries, in one transaction with `seq`: the entry up to which the journal is read now.

        One that is there already, for the same receiver and key, is not queued again. `settled`: the keys of messages
        that wait for an operator no longer. Returns what was dropped because a queue is too long. Raises
        StaleEpochError as an append to the journal does.
        """
        with self._database.write(lease.LOCK) as transaction:
            fence(transaction, epoch)
            transaction.many(
                f"INSERT INTO message ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
                "ON CONFLICT (receiver, key) DO NOTHING",
                [self._values(delivery) for delivery in made],
            )
            for key in settled:
                _settle(transaction, key)
            dropped = [
                delivery
                for receiver in sorted({delivery.receiver for delivery in made})
                for delivery in overflow(_queued(transaction, receiver))
            ]
            for delivery in dropped:
                transaction.run(
                    "UPDATE message SET state = ? WHERE receiver = ? AND key = ?",
                    [DeliveryState.DROPPED, delivery.receiver, delivery.key],
                )
            set_in(transaction, READ, str(seq))
        return dropped

    def put(self, delivery: Delivery, *, epoch: int) -> bool:
        """Writes how far a delivery is now; returns False, and writes nothing, where it was settled meanwhile. Raises
        StaleEpochError as an append to the journal does."""
        with self._database.write(lease.LOCK) as transaction:
            fence(transaction, epoch)
            return bool(
                transaction.run(
                    "UPDATE message SET state = ?, queued_at = ?, attempts = ?, reminders = ?, unknown = ?, error = ? "
                    "WHERE receiver = ? AND key = ? AND state <> ?",
                    [
                        delivery.state,
                        self._database.bind(delivery.queued_at),
                        delivery.attempts,
                        delivery.reminders,
                        delivery.unknown,
                        delivery.error,
                        delivery.receiver,
                        delivery.key,
                        DeliveryState.SETTLED,
                    ],
                )
            )

    def open(self) -> list[Delivery]:
        """Returns the deliveries that are not over, and those that wait for an operator."""
        with self._database.read() as transaction:
            rows = transaction.all(f"{SELECT} WHERE state IN ('queued', 'sending') OR waits = 1")
        return [_delivery(row) for row in rows]

    def undelivered(self) -> list[Delivery]:
        """Returns the deliveries that have not succeeded, newest first."""
        sql = f"{SELECT} WHERE state IN ('queued', 'sending', 'failed', 'dropped') ORDER BY seq DESC, receiver, key"
        with self._database.read() as transaction:
            rows = transaction.all(sql)
        return [_delivery(row) for row in rows]

    def all(self) -> list[Delivery]:
        """Returns all deliveries that are kept, newest first."""
        with self._database.read() as transaction:
            rows = transaction.all(f"{SELECT} ORDER BY seq DESC, receiver, key")
        return [_delivery(row) for row in rows]

    def forget(self, before: datetime, *, epoch: int) -> int:
        """Deletes deliveries that are over, about journal entries from before that time; returns how many."""
        with self._database.write(lease.LOCK) as transaction:
            fence(transaction, epoch)
            return transaction.run(
                "DELETE FROM message WHERE at < ? AND waits = 0 AND state NOT IN ('queued', 'sending')",
                [self._database.bind(before)],
            )

    def _values(self, delivery: Delivery) -> list[Any]:
        bind = self._database.bind
        return [
            delivery.receiver,
            delivery.key,
            delivery.seq,
            bind(delivery.at),
            int(delivery.important),
            int(delivery.waits),
            delivery.title,
            delivery.body,
            delivery.state,
            bind(delivery.queued_at),
            delivery.attempts,
            delivery.reminders,
            delivery.unknown,
            delivery.error,
        ]


def _queued(transaction: Transaction, receiver: str) -> list[Delivery]:
    rows = transaction.all(f"{SELECT} WHERE receiver = ? AND state = 'queued'", [receiver])
    return [_delivery(row) for row in rows]


def _settle(transaction: Transaction, key: str) -> None:
    """Drops what was not sent yet; what is being sent, or was, stays as it is."""
    transaction.run("UPDATE message SET waits = 0 WHERE key = ?", [key])
    transaction.run(
        "UPDATE message SET state = ? WHERE key = ? AND state = ?",
        [DeliveryState.SETTLED, key, DeliveryState.QUEUED],
    )


def _delivery(row: Row) -> Delivery:
    """Returns a row as a delivery. Raises StoreError for a row that fleet cannot have written."""
    (
        receiver,
        key,
        seq,
        at,
        important,
        waits,
        title,
        body,
        state,
        queued_at,
        attempts,
        reminders,
        unknown,
        error,
    ) = row
    try:
        return Delivery(
            receiver=str(receiver),
            key=str(key),
            seq=int(seq),
            at=moment(at),
            important=bool(important),
            waits=bool(waits),
            title=str(title),
            body=str(body),
            state=DeliveryState(state),
            queued_at=moment(queued_at),
            attempts=int(attempts),
            reminders=int(reminders),
            unknown=int(unknown),
            error=str(error),
        )
    except (ValueError, TypeError) as wrong:
        raise StoreError(f"a message to {receiver} cannot be read: {wrong}", TAMPERED) from None
