"""Rollouts as they stood after one entry of the journal, so that a reader need not fold all of it. The journal alone is
the truth.

Whoever keeps rollouts here writes the hash of all that is kept into the journal, in the same transaction. Rows that do not
have this hash are not read, so that nobody acts upon what somebody else has changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

import msgspec

from fleet.core.records.errors import StoreError
from fleet.core.rollout.checkpoint import RolloutCheckpoint
from fleet.core.rollout.codec import from_record, to_record
from fleet.core.rollout.record import CheckpointKept
from fleet.store.db.database import SqlDatabase, Transaction, in_utc
from fleet.store.journal import chain, lease
from fleet.store.journal.journal import COLUMNS, append_in, entry_of, fence
from fleet.store.journal.tampering import JournalFinding

DECODER = msgspec.json.Decoder(RolloutCheckpoint)
ENCODER = msgspec.json.Encoder(order="deterministic")


class SqlFolds:
    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def load(self) -> tuple[int, Sequence[RolloutCheckpoint]]:
        """Returns the last entry that the kept rollouts have in them, and the rollouts, oldest first. Returns 0 and none
        where they do not have the hash that the journal tells, or where another version of fleet has written them in a
        way that this one does not understand."""
        with self._database.read() as transaction:
            seq, bodies = _vouched(transaction)
        try:
            return seq, tuple(DECODER.decode(body) for body in bodies)
        except msgspec.MsgspecError:
            return 0, ()

    def findings(self) -> list[JournalFinding]:
        """Returns what somebody has done to the kept rollouts. None of it where the journal tells no hash of them (they are
        another journal's, or an older version's of fleet): then nobody reads them."""
        with self._database.read() as transaction:
            written, bodies = _written(transaction), _bodies(transaction)
        if written is None or digest_of(bodies) == written.hash:
            return []
        words = f"what is kept of the rollouts after entry {written.seq} was changed; nobody acts upon it"
        return [JournalFinding(written.seq, "changed", words)]

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

        `before`: the entry that `load` told; then `folded` has those that have changed since. 0: `folded` has all there
        are. Returns False, and writes nothing, where somebody else has kept or changed them meanwhile. Raises
        StaleEpochError as an append to the journal does.
        """
        with self._database.write(lease.LOCK) as transaction:
            fence(transaction, epoch)
            there, _ = _vouched(transaction)
            if there >= seq or (before and there != before):
                return False
            if not before:
                transaction.run("DELETE FROM fold", [])
            for rollout, (number, each) in folded.items():
                transaction.run(
                    "INSERT INTO fold (rollout, number, body) VALUES (?, ?, ?) "
                    "ON CONFLICT (rollout) DO UPDATE SET number = excluded.number, body = excluded.body",
                    [rollout, number, ENCODER.encode(each).decode()],
                )
            record = to_record(CheckpointKept(seq=seq, hash=digest_of(_bodies(transaction))))
            (entry,) = append_in(transaction, self._database.bind, [record], in_utc(at), actor, epoch)
            transaction.run("DELETE FROM fold_place", [])
            transaction.run("INSERT INTO fold_place (seq, hash) VALUES (?, ?)", [entry.seq, entry.hash])
            return True


def digest_of(bodies: Sequence[str]) -> str:
    """Returns, in hex, SHA-256 over the SHA-256 of each body, in the order of starts."""
    return sha256(b"".join(sha256(body.encode()).digest() for body in bodies)).hexdigest()


def _vouched(transaction: Transaction) -> tuple[int, list[str]]:
    """Returns the last entry that the kept rollouts have in them, and their bodies; 0 and none where they do not have the
    hash that the journal tells."""
    written = _written(transaction)
    bodies = _bodies(transaction) if written is not None else []
    return (written.seq, bodies) if written is not None and digest_of(bodies) == written.hash else (0, [])


def _bodies(transaction: Transaction) -> list[str]:
    return [str(body) for (body,) in transaction.all("SELECT body FROM fold ORDER BY number", [])]


def _written(transaction: Transaction) -> CheckpointKept | None:
    """Returns what the journal says of the kept rollouts. None: the entry that vouches for them is not in this journal,
    was changed, or is of a version of fleet that wrote none."""
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
        said = from_record(entry.record) if chain.hash_of(entry) == entry.hash else None
        return said if isinstance(said, CheckpointKept) else None
    except (StoreError, ValueError):
        return None
