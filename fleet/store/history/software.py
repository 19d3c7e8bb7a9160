"""Reads the past of nodes backwards, from one change of their software to the one before."""

# ruff: noqa: S608 - the statements have table and column names of fleet's own alone

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from fleet.core.exposure.exposed_since import HistoryRow, PastSoftware, SoftwareChange
from fleet.core.objects.node import Node, NodeRef
from fleet.core.releases.release import Release
from fleet.store.db.database import Row, SqlDatabase, Transaction, moment
from fleet.store.history import documents
from fleet.store.history.documents import AT_ONCE
from fleet.store.history.intervals import same_machine
from fleet.store.history.parts import node_of, read
from fleet.store.history.reading import VALID

SOFTWARE = ("node_software", "machine_software", "machine_profile")
"""The columns that say what a node runs."""


NO_DOCUMENTS = (None,) * 5
EVER = datetime(1970, 1, 1, tzinfo=UTC)
_ROWS = (
    "SELECT known.cluster, known.name, known.id, row.valid_from FROM known_node AS known "
    f"CROSS JOIN node_history AS row {VALID}"
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
        self._reader = _Reader()

    def rows(self, at: datetime) -> dict[NodeRef, HistoryRow]:
        """Returns the row of each node that was valid at a moment: where a walk begins."""
        self._reader = _Reader()
        bound = self._database.bind(at)
        with self._database.read() as transaction:
            rows = transaction.all(_ROWS, [bound, bound])
        return {NodeRef(cluster, name): HistoryRow(node, begin) for cluster, name, node, begin in rows}

    def changes(self, rows: Sequence[HistoryRow], after: datetime | None = None) -> dict[int, SoftwareChange]:
        """Returns, by the node's number, where the software of each row began to run, and what ran before. That is left
        out where the software began at `after` or earlier."""
        with self._database.read() as transaction:
            found = list(_changes(transaction, rows, self._database.bind(EVER)))
            if after is not None:
                early = self._database.bind(after)
                found = [
                    row if row[3] > early else (row[0], None, None, *row[3:5], *NO_DOCUMENTS) for row in found
                ]
            self._reader.load(transaction, found)
        return {row[0]: _change(row, self._reader) for row in found}

    def first_contacts(self) -> dict[str, datetime]:
        """Returns, by cluster, the first moment of which anything is known."""
        with self._database.read() as transaction:
            rows = transaction.all("SELECT cluster, min(valid_from) FROM cluster_contact GROUP BY cluster")
        return {cluster: moment(first) for cluster, first in rows}


def _changes(transaction: Transaction, rows: Sequence[HistoryRow], ever: Any) -> Iterator[Row]:
    """Yields what `_CHANGES` finds for each of the rows. `ever`: a bound time before all rows."""
    for first in range(0, len(rows), AT_ONCE):
        some = rows[first : first + AT_ONCE]
        marks = ", ".join("(?, ?)" for _ in some)
        values = [value for row in some for value in (row.node, row.begin)]
        yield from transaction.all(
            f"WITH wanted (node, begin) AS (VALUES {marks}) {_CHANGES}", [*values, ever]
        )


def _change(row: Row, reader: _Reader) -> SoftwareChange:
    node, begin, end, next_begin, since, profile, next_profile = row[:7]
    if begin is None:
        # The oldest row remembers since when its release has run, though rows before it were deleted.
        return SoftwareChange(reader.moment(next_begin if since is None else min(since, next_begin)))
    unbroken = end == next_begin and reader.same_machine(profile, next_profile)
    return SoftwareChange(
        reader.moment(next_begin),
        HistoryRow(node, begin),
        reader.software(row),
        reader.moment(begin),
        unbroken,
    )


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
_NOTHING = _ProfilePart()


class _Reader:
    """Reads documents and times, each once in a walk: most of them are those of many rows."""

    def __init__(self) -> None:
        self._nodes: dict[int | None, _NodePart] = {None: _NodePart()}
        self._machines: dict[int | None, _MachinePart] = {None: _MachinePart()}
        self._profiles: dict[int | None, _ProfilePart] = {None: _NOTHING}
        self._identities: dict[int, Node | None] = {}
        self._moments: dict[Any, datetime] = {}
        self._software: dict[tuple[int | None, int | None, _ProfilePart], PastSoftware] = {}

    def moment(self, stored: Any) -> datetime:
        """Returns a stored time."""
        found = self._moments.get(stored)
        if found is None:
            found = self._moments[stored] = moment(stored)
        return found

    def load(self, transaction: Transaction, rows: Sequence[Row]) -> None:
        """Reads the documents of these rows, as far as they were not read before."""
        # Only where another row came before is it asked whether both are of one machine.
        identities = {
            ident
            for row in rows
            if row[1] is not None and row[2] == row[3] and row[5] != row[6]
            for ident in row[5:7]
            if ident is not None
        }
        identities -= self._identities.keys()
        nodes, machines, profiles = ({row[column] for row in rows} for column in (7, 8, 9))
        nodes, machines, profiles = (
            nodes - self._nodes.keys(),
            machines - self._machines.keys(),
            profiles - self._profiles.keys(),
        )
        texts = documents.bodies(transaction, identities | nodes | machines | profiles)
        self._nodes.update((ident, read(_NODE, texts[ident])) for ident in nodes)
        self._machines.update((ident, read(_MACHINE, texts[ident])) for ident in machines)
        self._profiles.update((ident, _profile(texts[ident])) for ident in profiles)
        self._identities.update((ident, node_of((texts[ident],))) for ident in identities)

    def software(self, row: Row) -> PastSoftware:
        """Returns what a row's node ran: the same object for all that ran the same."""
        own = self._profiles[row[9]]
        key = row[7], row[8], own
        found = self._software.get(key)
        if found is None:
            kubelet, agent = self._nodes[row[7]], self._machines[row[8]]
            found = self._software[key] = PastSoftware(
                kubelet.os_image,
                kubelet.kernel or agent.kernel,
                kubelet.kubelet,
                agent.booted,
                own.layered,
                own.live_patches,
            )
        return found

    def same_machine(self, before: int | None, now: int | None) -> bool:
        """Returns whether two profiles of nodes are of one machine, as far as both are known."""
        if before is None or now is None or before == now:
            return True
        was, node = self._identities[before], self._identities[now]
        return was is None or node is None or same_machine(was, node)


def _profile(text: str) -> _ProfilePart:
    """Every node has a profile of its own, and few of them name any of this: fields at their default are left out."""
    return read(_PROFILE, text) if '"layered":' in text or '"live_patches":' in text else _NOTHING
