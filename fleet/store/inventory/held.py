"""The reasons that hold nodes now, and since when. The controller writes these rows; all other processes read them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from fleet.core.records.errors import StoreError
from fleet.core.records.held import Held
from fleet.store.db.database import TAMPERED, Row, SqlDatabase, Transaction, moment
from fleet.store.inventory.facts import FEW

REASONS = msgspec.json.Decoder(tuple[Held, ...])
ENCODER = msgspec.json.Encoder(order="deterministic")


Before = tuple[tuple[Held, ...] | None, datetime | None]
"""The reasons that held a node before, and since when; None: the stored row is unreadable."""
NOTHING: Before = (), None


class Waiting(Struct, frozen=True):
    """One node that is held in one rollout."""

    rollout: str
    node: str
    """The node, as `cluster/name`."""
    since: datetime
    """Since when the first reason, with its subject, has been the first."""
    held: tuple[Held, ...]


class SqlBlockerStore:
    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def replace(self, rollout: str, held: Mapping[str, tuple[Held, ...]], *, at: datetime) -> None:
        """Writes what holds the nodes of a rollout. `held` has the changes by `cluster/node`; an empty tuple removes
        the node's reasons.

        Nodes that are not in `held` stay as they are. Nothing is written where nothing has changed.
        """
        before = self._before(rollout, held)
        news = {node: reasons for node, reasons in held.items() if reasons != before.get(node, NOTHING)[0]}
        if not news:
            return
        with self._database.write("held") as transaction:
            for node, reasons in news.items():
                if reasons:
                    since = _since(*before.get(node, NOTHING), reasons, at)
                    _put(transaction, rollout, node, self._database.bind(since), reasons)
                else:
                    transaction.run("DELETE FROM held WHERE rollout = ? AND node = ?", [rollout, node])

    def _before(self, rollout: str, nodes: Collection[str]) -> dict[str, Before]:
        with self._database.read() as transaction:
            if len(nodes) > FEW:
                rows: list[Row | None] = [*transaction.all(f"{SELECT} WHERE rollout = ?", [rollout])]
            else:
                one = f"{SELECT} WHERE rollout = ? AND node = ?"
                rows = [transaction.one(one, [rollout, node]) for node in nodes]
        return {row[1]: _before(row) for row in rows if row is not None}

    def of(self, rollout: str) -> dict[str, Waiting]:
        """Returns what holds the nodes of a rollout, by `cluster/node`."""
        with self._database.read() as transaction:
            rows = transaction.all(f"{SELECT} WHERE rollout = ? ORDER BY node", [rollout])
        return {row[1]: _waiting(row) for row in rows}

    def of_node(self, node: str) -> list[Waiting]:
        """Returns what holds a node in every rollout that the node is part of; `node` is `cluster/name`."""
        with self._database.read() as transaction:
            rows = transaction.all(f"{SELECT} WHERE node = ? ORDER BY rollout", [node])
        return [_waiting(row) for row in rows]

    def clear(self, rollout: str) -> None:
        with self._database.write("held") as transaction:
            transaction.run("DELETE FROM held WHERE rollout = ?", [rollout])


SELECT = "SELECT rollout, node, since, reasons FROM held"


def _put(transaction: Transaction, rollout: str, node: str, since: Any, reasons: tuple[Held, ...]) -> None:
    transaction.run(
        "INSERT INTO held (rollout, node, since, reasons) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (rollout, node) DO UPDATE SET since = excluded.since, reasons = excluded.reasons",
        [rollout, node, since, ENCODER.encode(reasons).decode()],
    )


def _since(
    held: tuple[Held, ...] | None, since: datetime | None, reasons: tuple[Held, ...], at: datetime
) -> datetime:
    if not held or since is None:
        return at
    first, now = held[0], reasons[0]
    return since if (first.reason, first.subject) == (now.reason, now.subject) else at


def _before(row: Row) -> Before:
    """Returns the reasons that were written before. Unreadable rows count as missing: they must not stop a controller,
    and are written again."""
    try:
        waiting = _waiting(row)
    except StoreError:
        return None, None
    return waiting.held, waiting.since


def _waiting(row: Row) -> Waiting:
    rollout, node, since, reasons = row
    try:
        return Waiting(rollout, node, moment(since), REASONS.decode(reasons))
    except (msgspec.DecodeError, TypeError) as error:
        raise StoreError(f"what holds {node} cannot be read: {error}", TAMPERED) from None
