"""Measures a fleet with two years of weekly upgrades: the size of its database, and what questions about any day cost
beside `fleet status` of now.

    python -m bench.history [--clusters N] [--nodes N] [--weeks N] [--runs N] [--json FILE]

Each upgrade of a node is six intervals: a taint while it waits, its image staged, cordoned, not ready, rebooted into the
new release, uncordoned. The rows are made of the texts that the store itself makes of such nodes, and are written without
the store's comparisons, which would take an hour.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from bench.fleets import START
from bench.memory import used_by
from bench.rows import HEAD, Row, line, row_of, shown
from bench.status import a_home
from fleet.app.wiring.home import DATABASE, Home
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import (
    CORDON_ANNOTATION,
    PENDING_TAINT,
    ROLLOUT_ANNOTATION,
    Node,
    Taint,
)
from fleet.core.releases.release import Release
from fleet.store.db.database import SqlDatabase, Transaction
from fleet.store.history import documents
from fleet.store.history.documents import SHARED
from fleet.store.history.parts import COLUMNS, PARTS, Texts, texts_of

WEEK = timedelta(days=7)
SIZE = (
    "SELECT SUM(pgsize) FROM dbstat WHERE name IN "
    "('node_history', 'node_history_now', 'document', 'document_digest', 'known_node', 'known_node_name')"
)


class Grown(Struct, frozen=True):
    intervals: int
    bytes: int
    """The size of the tables of history, with their indexes."""


def release_of(week: int) -> Release:
    return Release(f"44.{week:04}.3.0", f"sha256:{week:064x}", f"6.{week // 10}.{week % 10}-200.fc44.x86_64")


def week_of(
    node: Node, machine: Machine, week: int, rng: Random
) -> Iterator[tuple[timedelta, Node, Machine]]:
    """Yields what is seen of a node while it is upgraded, each with the time since the upgrade began."""
    old, new, rollout = release_of(week), release_of(week + 1), f"r-{week}"
    minute = timedelta(minutes=1)
    pending = replace(
        node, annotations={ROLLOUT_ANNOTATION: rollout}, taints=(Taint(PENDING_TAINT, "PreferNoSchedule"),)
    )
    yield 0 * minute, pending, machine
    staged = replace(machine, booted=old, staged=new)
    yield 20 * minute, pending, staged
    cordoned = replace(
        pending, unschedulable=True, annotations={ROLLOUT_ANNOTATION: rollout, CORDON_ANNOTATION: rollout}
    )
    yield 60 * minute, cordoned, staged
    yield 63 * minute, replace(cordoned, ready=False), staged
    boot = str(UUID(int=rng.getrandbits(128)))
    image = f"Fedora CoreOS {new.version}"
    booted = replace(cordoned, boot_id=boot, os_image=image, kernel=new.kernel, taints=())
    yield 65 * minute, booted, replace(machine, booted=new, rollback=old, boot_id=boot, kernel=new.kernel)
    yield (
        67 * minute,
        replace(booted, unschedulable=False, annotations={}),
        replace(machine, booted=new, rollback=old, boot_id=boot, kernel=new.kernel),
    )


class PastNode(Struct):
    """A node of the past, as its last upgrade has left it."""

    ident: int
    node: Node
    machine: Machine
    since: datetime
    """When its first upgrade began; then since when it runs its release."""
    begin: datetime


def fill(home: Home, weeks: int) -> Grown:
    """Writes the past of all nodes in the order of time, up to the moment of the first sync."""
    store, rng = home.store, Random(1)
    ids = {
        (str(row[0]), str(row[1])): int(row[2])
        for row in _query(home, "SELECT cluster, name, id FROM known_node")
    }
    start = START - weeks * WEEK
    past = []
    for number, row in enumerate(store.inventory.nodes()):
        assert row.node is not None and row.machine is not None
        begin = start + number * timedelta(seconds=20)
        past.append(PastNode(ids[row.cluster, row.name], row.node, row.machine, begin, begin))
    for week in range(weeks):
        with store.database.write("bench") as transaction:
            _upgrade(transaction, store.database, past, week, weeks, rng)
    with store.database.write("bench") as transaction:
        transaction.run("UPDATE cluster_contact SET valid_from = ?", [store.database.bind(start)])
    sizes = _query(home, f"SELECT count(*), ({SIZE}) FROM node_history")[0]
    return Grown(int(sizes[0]), int(sizes[1]))


def _upgrade(
    transaction: Transaction,
    database: SqlDatabase,
    past: Sequence[PastNode],
    week: int,
    weeks: int,
    rng: Random,
) -> None:
    """Writes the intervals of one week."""
    intervals: list[tuple[int, datetime, datetime, datetime, Texts]] = []
    for each in past:
        begin = each.begin + week * WEEK
        seen = list(week_of(each.node, each.machine, week, rng))
        ends = [*(begin + later for later, _, _ in seen[1:]), begin + WEEK if week + 1 < weeks else START]
        for (later, node, machine), end in zip(seen, ends, strict=True):
            if machine.booted == release_of(week + 1) and each.machine.booted != machine.booted:
                each.since = begin + later
            each.node, each.machine = node, machine
            intervals.append((each.ident, begin + later, end, each.since, texts_of(node, machine)))
    keys = {
        (ident if part.own else SHARED, text)
        for ident, _, _, _, texts in intervals
        for part, text in zip(PARTS, texts, strict=True)
        if text is not None
    }
    found = documents.ids_of(transaction, keys)
    bind = database.bind
    columns = ("node", "valid_from", "valid_to", "source", "since", *COLUMNS)
    transaction.many(
        f"INSERT INTO node_history ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
        (
            (ident, bind(at), bind(end), "watch", bind(since), *_ids(ident, texts, found))
            for ident, at, end, since, texts in intervals
        ),
    )


def _ids(ident: int, texts: Texts, found: Mapping[documents.Key, int]) -> Iterator[int | None]:
    for part, text in zip(PARTS, texts, strict=True):
        yield None if text is None else found[ident if part.own else SHARED, text]


def _query(home: Home, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(home.path / DATABASE)) as database:
        return list(database.execute(sql))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.history", description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=500, help="of each cluster")
    parser.add_argument("--weeks", type=int, default=104)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the rows there too")
    parser.add_argument("--folder", type=Path, help="keep the home there")
    chosen = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        home = a_home((chosen.folder or Path(folder)) / "home", chosen.clusters, chosen.nodes)
        grown = fill(home, chosen.weeks)
        print(
            f"{grown.intervals:,} intervals, {grown.bytes / 1e6:,.0f} MB, {grown.bytes / grown.intervals:.0f} bytes each"
        )
        print(line(HEAD))
        measured: list[Row] = []
        for what, command in _commands(chosen.weeks):
            argv = [sys.executable, "-m", "fleet.cli", "--home", str(home.path), *command]
            measured.append(row_of(what, [used_by(argv) for _ in range(chosen.runs)]))
            print(shown(measured[-1]), flush=True)
    if chosen.json:
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode((grown, measured)), indent=1))


def _commands(weeks: int) -> Iterator[tuple[str, Sequence[str]]]:
    yield "fleet status", ["status"]
    for share in (0.02, 0.25, 0.5, 0.75, 0.99):
        at = START - weeks * WEEK * (1 - share)
        yield f"fleet status --at {at:%Y-%m-%d}", ["status", "--at", f"{at:%Y-%m-%dT%H:%MZ}"]
    yield "fleet node history", ["node", "history", "c-00/n-00001"]


if __name__ == "__main__":
    main()
