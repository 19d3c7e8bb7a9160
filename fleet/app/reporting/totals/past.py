"""Counts the whole fleet as it was at a past moment. Only the database is read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.structs import replace

from fleet.app.reporting.status import clusters_of, policy_for
from fleet.app.reporting.totals.present import alike_in, unseen_in
from fleet.app.wiring.home import Home
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import UsageError
from fleet.core.reporting.ended_rollout import EndedRollout
from fleet.core.reporting.overview import FleetTotals, totals
from fleet.core.reporting.past.policy_then import policy_at
from fleet.drivers.journal.brief import in_brief

if TYPE_CHECKING:
    from fleet.core.rollout.rollout import Rollout
    from fleet.store import ClusterRow


def totals_at(home: Home, at: datetime) -> FleetTotals:
    """Returns what the status of everything counted at a past moment. Nodes that were alike are described once; all else
    is as `status_at` has it. Raises UsageError for a moment in the future or of which nothing is known."""
    rows = clusters_at(home, at)
    store = home.store
    rollouts = in_brief(store.journal, store.folds, but=lambda rollout: rollout.was_otherwise(at))
    present = home.policy() if home.has_policy else None
    policy = policy_at(present or Policy(), rollouts, at)
    by_labels = present is None and not policy.pools
    alike = alike_in(home, rows, None if by_labels else policy, at)
    if by_labels:
        policy = policy_at(policy_for(home, alike), rollouts, at)
    found = totals(at, clusters_of(home, rows, alike, {}), alike, policy, _then(home, rollouts, at))
    status = replace(found.status, only_in_sources=unseen_in(home, rows, at) or UNSET)
    return replace(found, status=status)


def _then(
    home: Home, rollouts: Sequence[Rollout | EndedRollout], at: datetime
) -> list[Rollout | EndedRollout]:
    """Returns the rollouts that had been started by then, as they were."""
    full = [rollout for rollout in rollouts if not isinstance(rollout, EndedRollout)]
    found: dict[str, Rollout | EndedRollout] = {
        rollout.id: rollout
        for rollout in rollouts
        if isinstance(rollout, EndedRollout) and rollout.started_at <= at
    }
    if full:
        from fleet.app.reporting.totals.rollouts_then import rollouts_then

        found |= {rollout.id: rollout for rollout in rollouts_then(home, full, at)}
    return [found[rollout.id] for rollout in rollouts if rollout.id in found]


def clusters_at(home: Home, at: datetime) -> Sequence[ClusterRow]:
    """Returns the clusters that the fleet had at a past moment. Raises UsageError for a moment in the future, or of which
    nothing is known."""
    if at > home.now():
        raise UsageError(f"{shown_moment(at)} is in the future", "fleet plan shows what will be done")
    rows = home.store.clusters.at(at)
    if not rows:
        first = home.store.inventory.first_contact()
        known = (
            f"the first moment that is known is {shown_moment(first)}"
            if first
            else "fleet sync reads the clusters"
        )
        raise UsageError(f"nothing is known of the fleet at {shown_moment(at)}", known)
    return rows


def shown_moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
