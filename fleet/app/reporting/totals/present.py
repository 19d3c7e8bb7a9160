"""Counts the whole fleet for its status. Only the database is read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.structs import replace

from fleet.app.reporting.status import (
    clusters_of,
    etas,
    groups_in,
    held_in,
    known_in,
    policy_for,
    with_surroundings,
)
from fleet.app.rollouts.standstill import standstill
from fleet.app.wiring.home import Home
from fleet.app.wiring.source_records import only_in_sources
from fleet.core.objects.known_node import AlikeNodes
from fleet.core.policy.label_pools import deciding_labels
from fleet.core.policy.policy import Policy
from fleet.core.reporting.overview import FleetTotals, totals
from fleet.core.reporting.selection import EVERYTHING
from fleet.drivers.journal.brief import active_of, in_brief

if TYPE_CHECKING:
    from fleet.store import ClusterRow


def fleet_totals(home: Home) -> FleetTotals:
    """Returns what the status of everything counts. Nodes that are alike are described once; all else is as
    `fleet_status` has it."""
    chosen = home.clusters()
    rollouts = in_brief(home.store.journal, home.store.folds)
    active = active_of(rollouts)
    alike, policy = alike_now(home, chosen)
    stands = standstill(home, active)
    found = totals(
        home.now(),
        clusters_of(home, chosen, alike, groups_in(home)),
        alike,
        policy,
        rollouts,
        held_in(home, active),
        etas(home, active) if stands is None else {},
    )
    status = replace(found.status, standstill=stands, only_in_sources=unseen_in(home, chosen) or UNSET)
    return replace(found, status=with_surroundings(home, status, chosen, policy, EVERYTHING))


def alike_now(home: Home, rows: Sequence[ClusterRow]) -> tuple[list[AlikeNodes], Policy]:
    """Returns the nodes of these clusters as they are now, and the policy whose pools tell them apart."""
    present = home.policy() if home.has_policy else None
    alike = alike_in(home, rows, present)
    return alike, policy_for(home, alike) if present is None else present


def alike_in(
    home: Home, rows: Sequence[ClusterRow], policy: Policy | None, at: datetime | None = None
) -> list[AlikeNodes]:
    """Returns the nodes of these clusters, now or at a past moment. `policy`: whose pools tell them apart; None: there is
    no policy."""
    names = {row.name for row in rows}
    found = home.store.alike.read(deciding_labels(policy), at)
    return [alike for alike in found if alike.cluster in names]


def unseen_in(home: Home, rows: Sequence[ClusterRow], at: datetime | None = None) -> dict[str, int]:
    """Returns how many machines each imported source has, or had, that no cluster has. Only where something was imported
    is each node looked at."""
    if not home.store.sources.records(at):
        return {}
    return only_in_sources(home, rows, known_in(home, rows, at), at)
