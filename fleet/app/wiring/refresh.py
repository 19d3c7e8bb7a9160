"""A fresh look at clusters: all at a time, as far as they answer; what was seen goes into the inventory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from fleet.app.wiring.connection import file_of, hosts_of, opened
from fleet.app.wiring.home import Home
from fleet.app.wiring.quorums import groups_of_hosts, read_into, with_quorums
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import FleetError

if TYPE_CHECKING:
    from fleet.store import ClusterRow


class Look(Struct, frozen=True):
    """Several clusters at one moment, as far as they answer."""

    fresh: tuple[Snapshot, ...]
    old: tuple[Snapshot, ...]
    """What was last known of those that do not answer."""
    lost: dict[str, str]
    """Why those do not answer."""


def look(home: Home, names: Sequence[str] = ()) -> Look:
    """Reads clusters afresh, all at a time, and writes what was found to the inventory if it can be written.

    Raises ConfigError, and reads none, for a policy with mistakes: they are not the clusters'.
    """
    seen = looked(home, names)
    with home.by_the_way():
        note(home, seen)
    return seen


def looked(home: Home, names: Sequence[str] = ()) -> Look:
    """As `look`, and writes nothing."""
    rows = home.clusters(names)
    policy = home.policy_if_any()
    answers = asyncio.run(_read_all(home, rows, policy))
    fresh: list[Snapshot] = []
    lost: dict[str, str] = {}
    for row, answer in zip(rows, answers, strict=True):
        if isinstance(answer, Snapshot):
            fresh.append(answer)
        else:
            lost[row.name] = reason(row.name, answer)
    old = tuple(home.store.inventory.snapshot(name) for name in lost)
    return Look(tuple(fresh), old, lost)


def note(home: Home, seen: Look) -> dict[str, int]:
    """Writes down what was seen; answers how many facts were news to the inventory, by cluster."""
    for name, why in seen.lost.items():
        home.store.clusters.touch(name, at=home.now(), error=why)
    return {snapshot.cluster: keep(home, snapshot) for snapshot in seen.fresh}


def reason(name: str, error: FleetError) -> str:
    """Why it does not answer, for places that say themselves which cluster it is and that it does not."""
    return error.message.removeprefix(f"cluster {name} does not answer: ")


def keep(home: Home, snapshot: Snapshot) -> int:
    """Writes down what was seen; answers how many facts were news."""
    news = home.store.inventory.sync(snapshot, at=snapshot.at, source="sync")
    home.store.clusters.touch(snapshot.cluster, at=snapshot.at, version=snapshot.server_version)
    return news.opened + news.closed + news.updated


async def _read_all(home: Home, rows: Sequence[ClusterRow], policy: Policy) -> list[Snapshot | FleetError]:
    return await asyncio.gather(*(read(home, row, policy) for row in rows))


async def read(home: Home, row: ClusterRow, policy: Policy) -> Snapshot | FleetError:
    try:
        if row.kind == "simulated":
            from fleet.simulated.cluster import snapshot_of

            return snapshot_of(file_of(home, row))
        if row.kind == "hosts":
            return (await read_hosts(home, row, policy))[0]
        async with opened(row) as cluster:
            snapshot = (await cluster.read(row.site, home.now())).snapshot
            return await with_quorums(snapshot, cluster, policy)
    except FleetError as error:
        return error


async def read_hosts(home: Home, row: ClusterRow, policy: Policy) -> tuple[Snapshot, dict[str, str]]:
    """Hosts without a cluster, and which of them were not reached and why."""
    groups = groups_of_hosts(row.name, row.site, policy)
    reading = await hosts_of(home, row).read(row.site, home.now())
    return await read_into(reading.snapshot, groups), reading.unreached
