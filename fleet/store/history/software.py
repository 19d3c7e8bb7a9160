"""Reads the past of nodes backwards, from one change of their software to the one before."""

# ruff: noqa: S608 - the statements have table and column names of fleet's own alone

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from fleet.core.exposure.exposed_since import HistoryRow, PastSoftware, SoftwareChange
from fleet.core.objects.node import NodeRef
from fleet.core.releases.release import Release
from fleet.store.db.database import Row, SqlDatabase, Transaction, moment
from fleet.store.history import documents
from fleet.store.history.documents import AT_ONCE
from fleet.store.history.intervals import same_machine
from fleet.store.history.parts import node_of, read

SOFTWARE = ("node_software", "machine_software", "machine_profile")
"""The columns that say what a node runs."""


EVER = datetime(1970, 1, 1, tzinfo=UTC)
_VALID = (
    "SELECT known.cluster, known.name, known.id, row.valid_from FROM known_node AS known "
    "CROSS JOIN node_history AS row WHERE row.node = known.id AND (row.valid_to IS NULL OR row.valid_to > ?) "
    "AND row.valid_from = (SELECT last.valid_from FROM node_history AS last WHERE last.node = known.id "
    "AND last.valid_from <= ? ORDER BY last.valid_from DESC LIMIT 1)"
)
# A release that is only staged changes machine_software, but not `since`.
_DIFFERS = (
    "last.since IS NULL OR now.since IS NULL OR last.since <> now.since "
    "OR coalesce(last.node_software, 0) <> coalesce(now.node_software, 0) "
    "OR coalesce(last.machine_profile, 0) <> coalesce(now.machine_profile, 0)"
)
_CHANGES = (
    "SELECT now.node, row.valid_from, row.valid_to, next.valid_from, next.since, row.node_profile, next.node_profile, "
    f"{', '.join(f'row.{column}' for column in SOFTWARE)} "
    "FROM wanted CROSS JOIN node_history AS now "
    "LEFT JOIN node_history AS row ON row.node = now.node AND row.valid_from = ("
    "SELECT last.valid_from FROM node_history AS last WHERE last.node = now.node "
    f"AND last.valid_from < now.valid_from AND ({_DIFFERS}) ORDER BY last.valid_from DESC LIMIT 1) "
    "LEFT JOIN node_history AS next ON next.node = now.node AND next.valid_from = ("
    "SELECT first.valid_from FROM node_history AS first WHERE first.node = now.node "
    "AND first.valid_from > coalesce(row.valid_from, ?) ORDER BY first.valid_from LIMIT 1) "
    "WHERE now.node = wanted.node AND now.valid_from = wanted.begin"
)


class SqlSoftwareHistory:
    """The history of nodes, read backwards (`SoftwareHistory`)."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def rows(self, at: datetime) -> dict[NodeRef, HistoryRow]:
        """Returns the row of each node that was valid at a moment."""
        bound = self._database.bind(at)
        with self._database.read() as transaction:
            rows = transaction.all(_VALID, [bound, bound])
        return {NodeRef(cluster, name): HistoryRow(node, begin) for cluster, name, node, begin in rows}

    def changes(self, rows: Sequence[HistoryRow]) -> dict[int, SoftwareChange]:
        """Returns, by the node's number, where the software of each row began to run, and what ran before."""
        with self._database.read() as transaction:
            found = list(_changes(transaction, rows, self._database.bind(EVER)))
            texts = documents.bodies(transaction, {ident for row in found for ident in _documents(row)})
        reader = _Reader(texts)
        return {row[0]: _change(row, reader) for row in found}

    def first_contacts(self) -> dict[str, datetime]:
        """Returns, by cluster, the first moment of which anything is known."""
        with self._database.read() as transaction:
            rows = transaction.all("SELECT cluster, min(valid_from) FROM cluster_contact GROUP BY cluster")
        return {cluster: moment(first) for cluster, first in rows}


def _changes(transaction: Transaction, rows: Sequence[HistoryRow], ever: Any) -> Iterator[Row]:
    """`ever`: a bound time before all rows."""
    for first in range(0, len(rows), AT_ONCE):
        some = rows[first : first + AT_ONCE]
        marks = ", ".join("(?, ?)" for _ in some)
        values = [value for row in some for value in (row.node, row.begin)]
        yield from transaction.all(
            f"WITH wanted (node, begin) AS (VALUES {marks}) {_CHANGES}", [*values, ever]
        )


def _documents(row: Row) -> list[int]:
    """Returns the ids of the documents of a row that are looked at."""
    profiles = row[5:7] if row[5] != row[6] else ()
    return [ident for ident in (*profiles, *row[7:]) if ident is not None]


def _change(row: Row, reader: _Reader) -> SoftwareChange:
    node, begin, end, next_begin, since, profile, next_profile = row[:7]
    if begin is None:
        # The oldest row remembers since when its release has run, though rows before it were deleted.
        return SoftwareChange(moment(next_begin if since is None else min(since, next_begin)))
    unbroken = end == next_begin and reader.same(profile, next_profile)
    return SoftwareChange(moment(next_begin), HistoryRow(node, begin), reader.software(row[7:]), unbroken)


class _NodePart(Struct, frozen=True, gc=False):
    os_image: str = ""
    kernel: str = ""
    kubelet: str = ""


class _MachinePart(Struct, frozen=True, gc=False):
    booted: Release | None = None
    kernel: str = ""


class _ProfilePart(Struct, frozen=True, gc=False):
    layered: tuple[str, ...] = ()
    live_patches: tuple[str, ...] = ()


_NODE = msgspec.json.Decoder(_NodePart)
_MACHINE = msgspec.json.Decoder(_MachinePart)
_PROFILE = msgspec.json.Decoder(_ProfilePart)


class _Reader:
    """Reads texts, equal software once."""

    def __init__(self, texts: Mapping[int, str]) -> None:
        self._texts = texts
        self._software: dict[Row, PastSoftware] = {}

    def software(self, ids: Row) -> PastSoftware:
        if ids not in self._software:
            node, machine, profile = ("{}" if ident is None else self._texts[ident] for ident in ids)
            kubelet, agent, own = read(_NODE, node), read(_MACHINE, machine), read(_PROFILE, profile)
            self._software[ids] = PastSoftware(
                kubelet.os_image,
                kubelet.kernel or agent.kernel,
                kubelet.kubelet,
                agent.booted,
                own.layered,
                own.live_patches,
            )
        return self._software[ids]

    def same(self, before: int | None, now: int | None) -> bool:
        """Returns whether two profiles of nodes are of one machine, as far as both are known."""
        if before is None or now is None or before == now:
            return True
        was, node = node_of((self._texts[before],)), node_of((self._texts[now],))
        return was is None or node is None or same_machine(was, node)
