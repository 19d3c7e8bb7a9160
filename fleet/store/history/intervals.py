"""Writes the history of nodes: a row for each interval in which all that is known of a node and its machine was the
same.

A row follows from the tables of what is there now (`fleet.store.inventory`), after they were written.
"""

# ruff: noqa: S608 - the statements have table and column names of fleet's own alone

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from fleet.core.objects import identity
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.store.db.database import Row, Transaction
from fleet.store.history import documents
from fleet.store.history.documents import SHARED
from fleet.store.history.parts import COLUMNS, PARTS, Texts, node_of, software_of, texts_of
from fleet.store.inventory.facts import FEW, Writing, rows_of
from fleet.store.inventory.kinds import MACHINE, NODE

Ids = tuple[int | None, ...]
"""The id of the text of each part; None: there is no node, or no machine."""
NOTHING: Ids = (None,) * len(PARTS)
_NODE_SOFTWARE = COLUMNS.index("node_software")
_MACHINE_SOFTWARE = COLUMNS.index("machine_software")


class KnownName(NamedTuple):
    """A name that a cluster has, or had, a node or machine of."""

    id: int
    kubelet_since: Any
    """Since when the node runs what its kubelet reports. None: there is no node now."""
    agent_since: Any
    """Since when the machine runs the release that its agent reports. None: no agent reports one now."""


class LastRow(NamedTuple):
    """The row of a node that began last."""

    valid_from: Any
    valid_to: Any
    """None: the row goes on."""
    ids: Ids

    @property
    def now(self) -> Ids:
        """Returns the texts that hold now."""
        return self.ids if self.valid_to is None else NOTHING


NO_ROW = LastRow(None, None, NOTHING)
"""Stands for the last row of a node that has none."""


def write(transaction: Transaction, writing: Writing, names: Collection[str]) -> None:
    """Writes the history of nodes whose objects were written, as far as anything that has history has changed.

    The times of rows never overlap: where the observation is older than the last row, that row is corrected.
    """
    if not names:
        return
    known = _known(transaction, writing.cluster, names)
    texts = _texts(transaction, writing.cluster, names)
    keys = {
        (known[name].id if part.own else SHARED, text)
        for name, found in texts.items()
        for part, text in zip(PARTS, found, strict=True)
        if text is not None
    }
    ids = documents.ids_of(transaction, keys)
    rows = _last_rows(transaction, writing.cluster, [known[name].id for name in names])
    changes = [
        (known[name], row, now, texts.get(name))
        for name in names
        if (now := _ids(known[name].id, texts.get(name), ids))
        != (row := rows.get(known[name].id, NO_ROW)).now
    ]
    before = documents.bodies(transaction, {ident for _, row, _, _ in changes for ident in row.now if ident})
    batch = HistoryBatch(writing)
    for name, row, now, found in changes:
        batch.change(name, row, now, found, before)
    batch.perform(transaction)


class HistoryBatch:
    """Rows of history to be written, grouped by statement."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._closing: list[Row] = []
        self._deleting: list[Row] = []
        self._adding: list[Row] = []
        self._naming: list[Row] = []

    def change(
        self, name: KnownName, row: LastRow, now: Ids, texts: Texts | None, bodies: Mapping[int, str]
    ) -> None:
        """Collects what replaces the last row. `texts`: of what there is now. `bodies`: of what there was."""
        at = self._writing.at
        if row.valid_to is not None:
            at = max(at, row.valid_to)
        elif row is not NO_ROW and row.valid_from >= at:
            # An interval of length zero would mean nothing.
            at = row.valid_from
            self._deleting.append((name.id, row.valid_from))
        elif row is not NO_ROW:
            self._closing.append((at, name.id, row.valid_from))
        before = (
            tuple(None if ident is None else bodies[ident] for ident in row.now) if any(row.now) else None
        )
        since = _since(name, before, texts, at)
        self._naming.append((*since, name.id))
        if texts is not None:
            witnessed = since[1] if since[1] is not None else since[0]
            self._adding.append((name.id, at, self._writing.source, witnessed, *now))

    def perform(self, transaction: Transaction) -> None:
        """Writes the collected rows."""
        columns = ("node", "valid_from", "source", "since", *COLUMNS)
        marks = ", ".join("?" for _ in columns)
        for sql, rows in (
            ("DELETE FROM node_history WHERE node = ? AND valid_from = ?", self._deleting),
            ("UPDATE node_history SET valid_to = ? WHERE node = ? AND valid_from = ?", self._closing),
            (f"INSERT INTO node_history ({', '.join(columns)}) VALUES ({marks})", self._adding),
            ("UPDATE known_node SET kubelet_since = ?, agent_since = ? WHERE id = ?", self._naming),
        ):
            if rows:
                transaction.many(sql, rows)


def _since(name: KnownName, before: Texts | None, texts: Texts | None, at: Any) -> tuple[Any, Any]:
    """Returns since when the kubelet reports what it reports, and the agent; None: there is no report now.

    Another machine under the same name begins anew, whatever it runs.
    """
    if texts is None:
        return None, None
    node, was = node_of(texts), None if before is None else node_of(before)
    replaced = node is not None and was is not None and not same_machine(was, node)
    kubelet = agent = None
    if node is not None:
        same = not replaced and before is not None and was is not None
        same = same and _kubelet(before) == _kubelet(texts)
        kubelet = name.kubelet_since if same else at
    if (booted := software_of(texts[_MACHINE_SOFTWARE]).by_agent) is not None:
        same = not replaced and before is not None
        same = same and software_of(before[_MACHINE_SOFTWARE]).by_agent == booted  # type: ignore[index]
        agent = name.agent_since if same else at
    return kubelet, agent


def _kubelet(texts: Texts | None) -> tuple[str, str]:
    return ("", "") if texts is None else software_of(texts[_NODE_SOFTWARE]).by_kubelet


def same_machine(before: Node, now: Node) -> bool:
    """Returns whether both are the same machine: a Node that was deleted and made again has another uid."""
    return before.uid == now.uid or identity.same(identity.of(before), now)


def _ids(owner: int, texts: Texts | None, ids: Mapping[documents.Key, int]) -> Ids:
    if texts is None:
        return NOTHING
    return tuple(
        None if text is None else ids[owner if part.own else SHARED, text]
        for part, text in zip(PARTS, texts, strict=True)
    )


def _known(transaction: Transaction, cluster: str, names: Collection[str]) -> dict[str, KnownName]:
    """Returns the names of the cluster that are known, with those in `names`, which are added where they are new."""
    found = _named(transaction, cluster, names)
    new = [(cluster, name) for name in names if name not in found]
    if new:
        transaction.many("INSERT INTO known_node (cluster, name) VALUES (?, ?)", new)
        found |= _named(transaction, cluster, [name for _, name in new])
    return found


def names(transaction: Transaction, cluster: str) -> list[str]:
    """Returns all names that the cluster has, or had, a node or machine of."""
    return [name for (name,) in transaction.all("SELECT name FROM known_node WHERE cluster = ?", [cluster])]


def _named(transaction: Transaction, cluster: str, names: Collection[str]) -> dict[str, KnownName]:
    every = "SELECT name, id, kubelet_since, agent_since FROM known_node WHERE cluster = ?"
    if len(names) > FEW:
        rows = transaction.all(every, [cluster])
    else:
        one = f"{every} AND name = ?"
        rows = [row for name in names if (row := transaction.one(one, [cluster, name])) is not None]
    return {row[0]: KnownName(*row[1:]) for row in rows}


def _texts(transaction: Transaction, cluster: str, names: Collection[str]) -> dict[str, Texts]:
    """Returns the texts of what there is now of these names."""
    keys = {(name,) for name in names}
    nodes: dict[str, Node] = {
        row[0]: NODE.thing(row[1], row[2])
        for row in rows_of(transaction, NODE, cluster, keys, "name, fact, state")
        if row[:1] in keys
    }
    machines: dict[str, Machine] = {
        row[0]: MACHINE.thing(row[1], row[2])
        for row in rows_of(transaction, MACHINE, cluster, keys, "name, fact, state")
        if row[:1] in keys
    }
    return {name: texts_of(nodes.get(name), machines.get(name)) for name in nodes.keys() | machines.keys()}


def _last_rows(transaction: Transaction, cluster: str, ids: Collection[int]) -> dict[int, LastRow]:
    columns = ", ".join(f"row.{name}" for name in ("node", "valid_from", "valid_to", *COLUMNS))
    if len(ids) > FEW:
        rows = transaction.all(
            f"SELECT {columns} FROM known_node AS known CROSS JOIN node_history AS row "
            "WHERE known.cluster = ? AND row.node = known.id AND row.valid_from = ("
            "SELECT last.valid_from FROM node_history AS last WHERE last.node = known.id "
            "ORDER BY last.valid_from DESC LIMIT 1)",
            [cluster],
        )
    else:
        one = f"SELECT {columns} FROM node_history AS row WHERE row.node = ? ORDER BY row.valid_from DESC LIMIT 1"
        rows = [row for ident in ids if (row := transaction.one(one, [ident])) is not None]
    return {row[0]: LastRow(row[1], row[2], row[3:]) for row in rows}


def forget(transaction: Transaction, cluster: str, before: Any, most: int) -> int:
    """Deletes up to `most` rows of the cluster that ended at the bound time or earlier, and returns how many."""
    rows = transaction.all(f"{_ENDED} LIMIT ?", [cluster, before, before, most])
    transaction.many("DELETE FROM node_history WHERE node = ? AND valid_from = ?", rows)
    documents.forget_unused(transaction, _distinct(rows))
    return len(rows)


def any_ended(transaction: Transaction, cluster: str, before: Any) -> bool:
    """Returns whether any row of the cluster ended at the bound time or earlier."""
    return transaction.one(f"{_ENDED} LIMIT 1", [cluster, before, before]) is not None


_ENDED = (
    "SELECT row.node, row.valid_from FROM known_node AS known CROSS JOIN node_history AS row "
    "WHERE known.cluster = ? AND row.node = known.id AND row.valid_from < ? AND row.valid_to <= ?"
)


def _distinct(rows: Iterable[Row]) -> list[int]:
    return sorted({row[0] for row in rows})
