"""Keeps the disruption limits up to date: the limits that each node counts for, and whether the node is unavailable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Amount, Pool, site_of
from fleet.core.rollout.rollout import Rollout
from fleet.core.state.engine_state import EngineState
from fleet.core.state.indexes.run_index import RunIndex
from fleet.core.state.limits import DisruptionLimits, Scope, scopes
from fleet.core.state.wait_queue import WaitKey, WaitQueue


class LimitIndex:
    def __init__(
        self,
        sites: Mapping[str, str],
        runs: RunIndex,
        state: EngineState,
        queue: WaitQueue,
        limits: DisruptionLimits,
    ) -> None:
        """`sites`: the site of each cluster."""
        self._sites = dict(sites)
        self._runs = runs
        self._state = state
        self._queue = queue
        self._limits = limits

    def update_unavailable(self, ref: NodeRef) -> None:
        """Updates whether the node is unavailable now: because a run has its slot, for other reasons, or because it cannot
        be seen."""
        node, view = self._state.node(ref), self._state.view(ref.cluster)
        keeps_slot = self._runs.keeps_slot(ref)
        self._state.quorums.set_away(ref, keeps_slot)
        unavailable = keeps_slot or node is None or not node.available or not view.synced
        for scope in self._limits.set_unavailable(ref, unavailable):
            self._queue.open(WaitKey("scope", scope))

    def assign(self, ref: NodeRef) -> None:
        """Finds the limits that the node counts for: those of the pool that it is in, and those of its run's pool."""
        limits: dict[tuple[Scope, Amount], None] = {}
        for rollout in self._runs.rollouts.values():
            if rollout.active:
                for pool, site, zone in self._pools(rollout, ref):
                    own = scopes(ref, pool.name, site, zone, pool.limits, rollout.policy.limits)
                    limits.update(dict.fromkeys(own))
        before = self._limits.assign(ref, limits)
        self.update_unavailable(ref)
        for scope in (*before, *(scope for scope, _ in limits)):
            self._queue.open(WaitKey("scope", scope))

    def _pools(self, rollout: Rollout, ref: NodeRef) -> Iterator[tuple[Pool, str, str]]:
        """Yields the pools that the node counts for, each with the node's site and zone.

        A node that cannot be seen is where its goal says, as long as it may be there or a run keeps its slot.
        """
        node, run, view = self._state.node(ref), rollout.runs.get(ref), self._state.view(ref.cluster)
        site = self._sites.get(ref.cluster, "")
        keeps_slot = run is not None and self._runs.keeps_slot(ref)
        if node is not None:
            now = rollout.policy.pool_of(ref.cluster, node)
            meant = rollout.pool(run) if run is not None and (keeps_slot or not run.ended) else None
            if now is not None:
                yield now, site_of(node, site), node.zone
            if meant is not None and meant is not now:
                yield meant, site_of(node, site), node.zone
        elif run is not None and (keeps_slot or not view.synced):
            yield rollout.pool(run), run.goal.site or site, run.goal.zone
