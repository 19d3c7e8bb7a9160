"""Signs checkpoints of the journal, and keeps them for ever."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fleet.core.records.audit import SignedCheckpoint
from fleet.core.records.errors import StoreError, TamperedError
from fleet.store.db.database import Row, SqlDatabase, Transaction, in_utc, is_row, moment
from fleet.store.journal import chain
from fleet.store.journal.journal import as_found, stored_checkpoint
from fleet.store.journal.tampering import BEGINNING, ChainEnd, Origin

if TYPE_CHECKING:
    from fleet.store.journal.signing import PrivateKey

COLUMNS = "seq, key, hash, count, at, signature"


class Checkpoints:
    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def all(self) -> list[SignedCheckpoint]:
        """Returns all checkpoints, in the order of their entries."""
        with self._database.read() as transaction:
            rows = transaction.all(f"SELECT {COLUMNS} FROM signed_checkpoint ORDER BY seq, key")  # noqa: S608
        return [_checkpoint(row) for row in rows]

    def newest(self, key: str = "") -> SignedCheckpoint | None:
        """Returns the newest checkpoint of that key; without a key, the newest of all."""
        with self._database.read() as transaction:
            return _newest(transaction, key)

    def ended_since(self, seq: int) -> bool:
        """Returns whether a rollout has ended after that entry."""
        with self._database.read() as transaction:
            row = transaction.one(
                "SELECT 1 FROM journal WHERE seq > ? AND form = 'decision' AND kind = 'finish' LIMIT 1", [seq]
            )
        return row is not None

    def agrees(self, signed: SignedCheckpoint) -> bool:
        """Returns whether the journal still has the entry that this checkpoint signs."""
        with self._database.read() as transaction:
            return _has(transaction, signed)

    def sign(self, key: PrivateKey, at: datetime) -> SignedCheckpoint | None:
        """Signs the current end of the chain and returns the checkpoint. Returns the existing checkpoint where nothing
        is new, and None for an empty journal.

        The entries since this key's last checkpoint are verified first; for the key's first checkpoint, the whole
        journal. Raises TamperedError where the chain is broken, or where the key's last checkpoint has a signature
        that is not this key's: a journal that was tampered with is never signed.
        """
        with self._database.read() as transaction:
            end = stored_checkpoint(transaction)
            last = _newest(transaction, key.public.id)
            if end is None and last is None:
                return None
            whole = (last is None or key.public.signed(last)) and _follows(transaction, last, end)
        if not whole or end is None:
            raise TamperedError(
                "the journal was tampered with: it is not signed", "fleet audit verify shows where"
            )
        if last is not None and last.seq == end.seq:
            return last
        signed = key.sign(end.seq, end.hash, end.count, in_utc(at))
        with self._database.write("checkpoint") as transaction:
            transaction.run(
                f"INSERT INTO signed_checkpoint ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",  # noqa: S608
                [
                    signed.seq,
                    signed.key,
                    signed.hash,
                    signed.count,
                    self._database.bind(signed.at),
                    signed.signature,
                ],
            )
        return signed


def _follows(transaction: Transaction, last: SignedCheckpoint | None, end: ChainEnd | None) -> bool:
    """Returns whether the chain continues unbroken from the last checkpoint to its end."""
    origin = Origin(last.seq, last.hash) if last is not None else BEGINNING
    if last is not None and not _has(transaction, last):
        return False
    return chain.sound(as_found(transaction, origin.seq), end, origin)


def _has(transaction: Transaction, signed: SignedCheckpoint) -> bool:
    row = transaction.one("SELECT hash FROM journal WHERE seq = ?", [signed.seq])
    return row is not None and row[0] == signed.hash


def _newest(transaction: Transaction, key: str = "") -> SignedCheckpoint | None:
    where = "WHERE key = ? " if key else ""
    row = transaction.one(
        f"SELECT {COLUMNS} FROM signed_checkpoint {where}ORDER BY seq DESC LIMIT 1",  # noqa: S608
        [key] if key else [],
    )
    return None if row is None else _checkpoint(row)


def _checkpoint(row: Row) -> SignedCheckpoint:
    """Returns a row as a checkpoint. A row that was made unreadable is returned as a checkpoint that no key has
    signed."""
    seq, key, hashed, count, at, signature = row
    try:
        if is_row(row, (int, str, str, int, (str, datetime), str)):
            return SignedCheckpoint(seq, hashed, count, moment(at), key, signature)
    except StoreError:
        pass  # The column does not hold a time.
    place = seq if isinstance(seq, int) else 0
    return SignedCheckpoint(place, str(hashed), 0, datetime.min.replace(tzinfo=UTC), str(key), "")
