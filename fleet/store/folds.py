"""Rollouts as they stood at one place of the journal. A help for readers: the journal alone is the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from fleet.core.folded import Folded
from fleet.store.database import Database

DECODER = msgspec.json.Decoder(Folded)
ENCODER = msgspec.json.Encoder(order="deterministic")
PLACE = "SELECT place.seq FROM fold_place place JOIN journal ON journal.seq = place.seq AND journal.hash = place.hash"
"""A place that this journal does not have is none: the database was restored from an older copy."""


class Folds:
    def __init__(self, database: Database) -> None:
        self._database = database

    def place(self) -> int:
        """The entry up to which they are told; 0: none are."""
        with self._database.read() as transaction:
            row = transaction.one(PLACE, [])
        return 0 if row is None else int(row[0])

    def load(self) -> tuple[int, Sequence[Folded]]:
        """The entry up to which they are told, and they, oldest first. Nothing where another version of fleet has
        written them in a way that this one does not understand."""
        with self._database.read() as transaction:
            row = transaction.one(PLACE, [])
            bodies = transaction.all("SELECT body FROM fold ORDER BY number", []) if row is not None else []
        if row is None:
            return 0, ()
        try:
            return int(row[0]), [DECODER.decode(body) for (body,) in bodies]
        except msgspec.MsgspecError:
            return 0, ()

    def keep(self, before: int, seq: int, digest: str, folded: Mapping[str, tuple[int, Folded]]) -> bool:
        """`folded`: what has changed since the place `before` (0: all there are), by rollout, with its number in the order
        of starts. `digest`: of entry `seq`. False, and nothing is written, where somebody else has kept them meanwhile.
        """
        with self._database.write("fold") as transaction:
            row = transaction.one(PLACE, [])
            there = 0 if row is None else int(row[0])
            if there >= seq or (before and there != before):
                return False
            if not before:
                transaction.run("DELETE FROM fold", [])
            transaction.run("DELETE FROM fold_place", [])
            for rollout, (number, each) in folded.items():
                transaction.run(
                    "INSERT INTO fold (rollout, number, body) VALUES (?, ?, ?) "
                    "ON CONFLICT (rollout) DO UPDATE SET number = excluded.number, body = excluded.body",
                    [rollout, number, ENCODER.encode(each).decode()],
                )
            transaction.run("INSERT INTO fold_place (seq, hash) VALUES (?, ?)", [seq, digest])
            return True
