"""Reads the history of nodes: all nodes at one moment, or all of the past of one node."""

# ruff: noqa: S608 - the statements have table and column names of fleet's own alone

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fleet.store.db.database import Row, Transaction
from fleet.store.history import documents
from fleet.store.history.parts import boot_of

VALID = (
    "WHERE row.node = known.id AND (row.valid_to IS NULL OR row.valid_to > ?) AND row.valid_from = ("
    "SELECT last.valid_from FROM node_history AS last WHERE last.node = known.id AND last.valid_from <= ? "
    "ORDER BY last.valid_from DESC LIMIT 1)"
)
"""Joins the row of a name that was valid at a bound time, which is given twice."""


def as_of(transaction: Transaction, cluster: str | None, at: Any, columns: Sequence[str]) -> list[Row]:
    """Reads cluster, name, `since` and the texts of `columns` of the rows that were valid at a bound time.

    For each name, the last row that began by then is looked up: this takes the same time for every date.
    """
    only = "" if cluster is None else " AND known.cluster = ?"
    rows = transaction.all(
        f"SELECT known.cluster, known.name, row.since, {', '.join(f'row.{name}' for name in columns)} "
        f"FROM known_node AS known CROSS JOIN node_history AS row {VALID}{only}",
        [at, at, *([] if cluster is None else [cluster])],
    )
    return list(_with_texts(transaction, rows, 3))


def profiles_as_of(transaction: Transaction, at: Any) -> list[Row]:
    """Reads cluster, name, the text of `node_profile` (None: no node), and the ids of `node_software`, `node_condition`,
    `machine_software` and `machine_profile` of the rows that were valid at a bound time, as `as_of` does."""
    return transaction.all(
        "SELECT known.cluster, known.name, profile.body, row.node_software, row.node_condition, row.machine_software, "
        "row.machine_profile FROM known_node AS known CROSS JOIN node_history AS row "
        "LEFT JOIN document AS profile ON profile.id = row.node_profile "
        f"{VALID}",
        [at, at],
    )


def of_node(transaction: Transaction, cluster: str, name: str, columns: Sequence[str]) -> list[Row]:
    """Reads `valid_from`, `valid_to`, `source` and the texts of `columns` of all rows of one name, oldest first."""
    rows = transaction.all(
        f"SELECT row.valid_from, row.valid_to, row.source, {', '.join(f'row.{each}' for each in columns)} "
        "FROM known_node AS known CROSS JOIN node_history AS row "
        "WHERE known.cluster = ? AND known.name = ? AND row.node = known.id ORDER BY row.valid_from",
        [cluster, name],
    )
    return list(_with_texts(transaction, rows, 3))


def _with_texts(transaction: Transaction, rows: Sequence[Row], first: int) -> Iterator[Row]:
    """Yields the rows with texts in place of their ids, which are the values from `first` on."""
    texts = documents.bodies(transaction, {ident for row in rows for ident in row[first:] if ident})
    for row in rows:
        yield (*row[:first], *(None if ident is None else texts[ident] for ident in row[first:]))


def now(transaction: Transaction, cluster: str | None) -> list[Row]:
    """Reads cluster, name, since when the node runs its release, and fact and state of node and machine, of all that is
    there now. Runs its release: the one that its agent reports or, without an agent, the OS image and kernel that its
    kubelet reports."""
    only = "" if cluster is None else " AND known.cluster = ?"
    return transaction.all(
        "SELECT known.cluster, known.name, coalesce(known.agent_since, known.kubelet_since), "
        "node.fact, node.state, machine.fact, machine.state FROM known_node AS known "
        "LEFT JOIN node ON node.cluster = known.cluster AND node.name = known.name "
        "LEFT JOIN machine ON machine.cluster = known.cluster AND machine.name = known.name "
        f"WHERE (node.id IS NOT NULL OR machine.id IS NOT NULL){only} ORDER BY known.cluster, known.name",
        [] if cluster is None else [cluster],
    )


def boots(transaction: Transaction) -> Iterator[Row]:
    """Yields cluster, name, boot id and the first time of each boot that a kubelet has reported."""
    rows = transaction.all(
        "SELECT known.cluster, known.name, min(row.valid_from), row.node_boot FROM node_history AS row "
        "JOIN known_node AS known ON known.id = row.node WHERE row.node_boot IS NOT NULL "
        "GROUP BY row.node, known.cluster, known.name, row.node_boot"
    )
    for cluster, name, first, text in _with_texts(transaction, rows, 3):
        yield cluster, name, boot_of(text), first


def ends(transaction: Transaction) -> list[Row]:
    """Returns cluster, name and the end of the last row with a node, for nodes that are no longer there."""
    return transaction.all(
        "SELECT known.cluster, known.name, max(row.valid_to) FROM known_node AS known CROSS JOIN node_history AS row "
        "WHERE known.kubelet_since IS NULL AND row.node = known.id AND row.node_profile IS NOT NULL "
        "GROUP BY known.cluster, known.name"
    )


def departed(transaction: Transaction, after: Any) -> list[Row]:
    """Returns cluster, name, end and the text of `node_profile` of the last row with a node, for nodes that are no longer
    there and were there after the bound time."""
    rows = transaction.all(
        "SELECT known.cluster, known.name, row.valid_to, row.node_profile FROM known_node AS known "
        "CROSS JOIN node_history AS row WHERE known.kubelet_since IS NULL AND row.node = known.id "
        "AND row.node_profile IS NOT NULL AND row.valid_to > ? AND row.valid_to = ("
        "SELECT max(last.valid_to) FROM node_history AS last "
        "WHERE last.node = known.id AND last.node_profile IS NOT NULL)",
        [after],
    )
    return list(_with_texts(transaction, rows, 3))
