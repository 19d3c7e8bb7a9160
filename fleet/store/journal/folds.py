"""Rollouts as they stood after one entry of the journal, so that a reader need not replay the whole journal. Only the
journal is authoritative.

A process that keeps rollouts here writes the hash of all of them into the journal in the same transaction. Rows
without this hash are not read, so that nothing acts on rows that were changed from outside.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

import msgspec

from fleet.core.records.errors import StoreError
from fleet.core.reporting.ended_rollout import EndedRollout
from fleet.core.rollout.record import CheckpointKept
from fleet.store.db.database import SqlDatabase, Transaction, in_utc
from fleet.store.journal import chain, lease
from fleet.store.journal.journal import COLUMNS, append_in, entry_of, fence
from fleet.store.journal.tampering import JournalFinding

if TYPE_CHECKING:
    from fleet.core.rollout.checkpoint import RolloutCheckpoint

T = TypeVar("T")
Body = tuple[str, str]
"""The id of a rollout, and its checkpoint as JSON."""
ENCODER = msgspec.json.Encoder(order="deterministic")


class SqlFolds:
    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def load(self, without: Collection[str] = ()) -> tuple[int, Sequence[RolloutCheckpoint]]:
        """Returns the seq of the last entry that the kept rollouts include, and the rollouts, oldest first, but those
        whose ids are in `without`. Returns 0 and no rollouts where their hash is not the one in the journal, or where
        another version of fleet has written them in a form that this version cannot read."""
        from fleet.core.rollout.checkpoint import RolloutCheckpoint

        return self._read(RolloutCheckpoint, without)

    def in_brief(self) -> tuple[int, Sequence[EndedRollout]]:
        """Returns the same of all kept rollouts, with the fields of ended ones alone."""
        return self._read(EndedRollout)

    def _read(self, form: type[T], without: Collection[str] = ()) -> tuple[int, Sequence[T]]:
        with self._database.read() as transaction:
            seq, bodies = _vouched(transaction)
        decode = msgspec.json.Decoder(form).decode
        try:
            return seq, tuple(decode(body) for ident, body in bodies if ident not in without)
        except msgspec.MsgspecError:
            return 0, ()

    def findings(self) -> list[JournalFinding]:
        """Returns how the kept rollouts were changed from outside. Returns nothing where the journal has no hash of
        them (they belong to another journal, or to an older version of fleet): such rows are never read."""
        with self._database.read() as transaction:
            written, bodies = _written(transaction), _bodies(transaction)
        if written is None or _digest_of(bodies) == written.hash:
            return []
        message = f"the checkpoint of the rollouts after entry {written.seq} was changed, and is not used"
        return [JournalFinding(written.seq, "changed", message)]

    def keep(
        self,
        before: int,
        seq: int,
        folded: Mapping[str, tuple[int, RolloutCheckpoint]],
        *,
        at: datetime,
        actor: str,
        epoch: int = 0,
    ) -> bool:
        """Writes rollouts as they stand after entry `seq`: by id, each with its number in the order of starts.

        `before` is the seq that `load` returned; `folded` then has the rollouts that changed since. With 0, `folded`
        has all rollouts. Returns False, and writes nothing, where another process has kept or changed them meanwhile.
        Raises StaleEpochError as an append to the journal does.
        """
        from fleet.core.rollout.codec import to_record

        with self._database.write(lease.LOCK) as transaction:
            fence(transaction, epoch, actor)
            there, _ = _vouched(transaction)
            if there >= seq or (before and there != before):
                return False
            if not before:
                transaction.run("DELETE FROM fold", [])
            for rollout, (number, checkpoint) in folded.items():
                transaction.run(
                    "INSERT INTO fold (rollout, number, body) VALUES (?, ?, ?) "
                    "ON CONFLICT (rollout) DO UPDATE SET number = excluded.number, body = excluded.body",
                    [rollout, number, ENCODER.encode(checkpoint).decode()],
                )
            record = to_record(CheckpointKept(seq=seq, hash=_digest_of(_bodies(transaction))))
            (entry,) = append_in(transaction, self._database.bind, [record], in_utc(at), actor, epoch)
            transaction.run("DELETE FROM fold_place", [])
            transaction.run("INSERT INTO fold_place (seq, hash) VALUES (?, ?)", [entry.seq, entry.hash])
            return True


def digest_of(bodies: Sequence[str]) -> str:
    """Returns, in hex, SHA-256 over the SHA-256 of each body, in the order of starts."""
    return sha256(b"".join(sha256(body.encode()).digest() for body in bodies)).hexdigest()


def _digest_of(bodies: Sequence[Body]) -> str:
    return digest_of([body for _, body in bodies])


def _vouched(transaction: Transaction) -> tuple[int, list[Body]]:
    """Returns the seq of the last entry that the kept rollouts include, and their bodies; 0 and none where their hash
    is not the one in the journal."""
    written = _written(transaction)
    bodies = _bodies(transaction) if written is not None else []
    return (written.seq, bodies) if written is not None and _digest_of(bodies) == written.hash else (0, [])


def _bodies(transaction: Transaction) -> list[Body]:
    rows = transaction.all("SELECT rollout, body FROM fold ORDER BY number", [])
    return [(ident, str(body)) for ident, body in rows]


def _written(transaction: Transaction) -> CheckpointKept | None:
    """Returns the record of the kept rollouts in the journal. None: the entry with their hash is not in this journal,
    was changed, or is of a version of fleet that wrote no hash."""
    columns = ", ".join(f"journal.{name}" for name in COLUMNS.split(", "))
    row = transaction.one(
        f"SELECT {columns} FROM fold_place place "  # noqa: S608
        "JOIN journal ON journal.seq = place.seq AND journal.hash = place.hash",
        [],
    )
    if row is None:
        return None
    try:
        entry = entry_of(row)
        return CheckpointKept.of(entry.record) if chain.hash_of(entry) == entry.hash else None
    except (StoreError, ValueError):
        return None
