"""Reads clusters afresh, all at once, as far as they answer, and stores the snapshots in the inventory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from fleet.app.wiring.feeds import fetch_calendars
from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.registry import source_of
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import FleetError
from fleet.system.event_loop import result_of

if TYPE_CHECKING:
    from fleet.store import ClusterRow


class Refresh(Struct, frozen=True):
    """Several clusters at one moment, as far as they answered."""

    fresh: tuple[Snapshot, ...]
    old: tuple[Snapshot, ...]
    """The last known snapshots of clusters that do not answer."""
    lost: dict[str, str]
    """Why those clusters do not answer, by name."""


def refresh(home: Home, names: Sequence[str] = ()) -> Refresh:
    """Reads clusters afresh, all at once, and stores the snapshots in the inventory if it can be written.

    Raises ConfigError, and reads no cluster, for a policy with mistakes.
    """
    seen = refreshed(home, names)
    with home.best_effort_write():
        record(home, seen)
    return seen


def refreshed(home: Home, names: Sequence[str] = ()) -> Refresh:
    """Reads clusters as `refresh` does, and writes nothing but the copies of calendars, which are fetched before."""
    rows = home.clusters(names)
    fetch_calendars(home)
    policy = home.policy_if_any()
    answers = result_of(_read_all(home, rows, policy))
    fresh: list[Snapshot] = []
    lost: dict[str, str] = {}
    for row, answer in zip(rows, answers, strict=True):
        if isinstance(answer, Snapshot):
            fresh.append(answer)
        else:
            lost[row.name] = answer.reason
    old = tuple(home.store.inventory.snapshot(name) for name in lost)
    return Refresh(tuple(fresh), old, lost)


def record(home: Home, seen: Refresh) -> dict[str, int]:
    """Stores the snapshots and returns how many facts changed, by cluster."""
    for name, why in seen.lost.items():
        home.store.clusters.touch(name, at=home.now(), error=why)
    return {snapshot.cluster: keep(home, snapshot) for snapshot in seen.fresh}


def keep(home: Home, snapshot: Snapshot) -> int:
    """Stores one snapshot and returns how many facts changed."""
    news = home.store.inventory.sync(snapshot, at=snapshot.at, source="sync")
    home.store.clusters.touch(snapshot.cluster, at=snapshot.at, version=snapshot.server_version)
    return news.opened + news.closed + news.updated


async def _read_all(home: Home, rows: Sequence[ClusterRow], policy: Policy) -> list[Snapshot | FleetError]:
    return await asyncio.gather(*(_read(home, row, policy) for row in rows))


async def _read(home: Home, row: ClusterRow, policy: Policy) -> Snapshot | FleetError:
    try:
        return await source_of(home, row).read(policy)
    except FleetError as error:
        return error
