"""The request for a plan: everything that the planner reads, gathered before it begins."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import DurationEstimates, EstimateKey
from fleet.core.policy.policy import Policy, site_of
from fleet.core.releases.release import Release, is_release
from fleet.core.rollout.goal import Goal
from fleet.core.rollout.rollout import Rollout
from fleet.core.state.own_pod import OwnPod
from fleet.planner.expectations import groups_of


class PlanRequest(Struct, frozen=True):
    """Every node of the pools that does not run the release yet is to be upgraded, or those of them that are in `only`."""

    plan_id: str
    snapshots: Sequence[Snapshot]
    policy: Policy
    pools: Collection[str]
    """Names of pools of the policy."""
    release: Release
    start: datetime
    times: DurationEstimates
    lost: Mapping[str, str] = {}
    """Clusters that do not answer, and why. Their last snapshot may be among `snapshots`."""
    kept: Sequence[Rollout] = ()
    """Ended rollouts with failed runs that no operator has released: those nodes keep their slots. The planner may change
    these objects."""
    only: Collection[NodeRef] | None = None
    own: OwnPod | None = None
    """The pod of the controller that leads, whose node comes last. None: it runs in no cluster of the fleet."""
    urgency: Mapping[NodeRef, float] = {}
    """Nodes that go earlier than the engine would have them, for the search of a better order."""
    brought: Mapping[tuple[NodeRef, str], dict[str, str]] = {}
    """The versions of etcd that the release is known to bring, as `core/cluster/upgraded_voters.py` finds them."""

    def goals(self) -> tuple[Goal, ...]:
        """Returns one goal for each node to upgrade, in the order of the snapshots."""
        return tuple(
            replace(
                goal,
                urgency=self.urgency.get(goal.node, 0.0),
                etcd=self.brought.get((goal.node, goal.uid), {}),
            )
            for snapshot in self.snapshots
            for goal in self._outdated(snapshot)
            if self.only is None or goal.node in self.only
        )

    def groups(self) -> dict[str, dict[str, EstimateKey]]:
        """Returns the key of the measured durations that count for each node, by cluster and name."""
        return {snapshot.cluster: groups_of(snapshot, self.policy) for snapshot in self.snapshots}

    def answering(self) -> list[Snapshot]:
        """Returns the snapshots of clusters that answer."""
        return [snapshot for snapshot in self.snapshots if snapshot.cluster not in self.lost]

    def _outdated(self, snapshot: Snapshot) -> Iterator[Goal]:
        machines = {machine.name: machine for machine in snapshot.machines}
        for node in snapshot.nodes:
            pool = self.policy.pool_of(snapshot.cluster, node)
            machine = machines.get(node.name)
            booted = machine.booted if machine is not None else None
            if pool is None or pool.name not in self.pools or is_release(booted, self.release):
                continue
            site = site_of(node, snapshot.site)
            ref = NodeRef(snapshot.cluster, node.name)
            yield Goal(ref, node.uid, pool.name, site, node.zone, self.policy.version_of(booted))
