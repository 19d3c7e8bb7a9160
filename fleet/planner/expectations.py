"""Estimates how long the parts of a plan are expected to take, by what was measured of pools and operating systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.planning.estimates import DurationEstimates, EstimateKey
from fleet.core.policy.hooks.hook import HookMoment
from fleet.core.policy.policy import Policy
from fleet.core.rollout.goal import Goal
from fleet.model.behaviour import ClusterBehaviour, SpreadLength


def groups_of(snapshot: Snapshot, policy: Policy) -> dict[str, EstimateKey]:
    """Returns the pool and the operating system of every node that is in a pool, by name."""
    systems = {machine.name: machine.os for machine in snapshot.machines}
    pools = ((node, policy.pool_of(snapshot.cluster, node)) for node in snapshot.nodes)
    return {node.name: (pool.name, systems.get(node.name, "")) for node, pool in pools if pool is not None}


def expected(times: DurationEstimates, groups: Mapping[str, EstimateKey] = {}) -> ClusterBehaviour:
    """Returns how a cluster behaves in which everything takes as long as expected. `groups`: those of its nodes, by name."""
    if times.measured:
        stages = {name: times.stage_of(*group) for name, group in groups.items()}
        reboots = {name: times.reboot_of(*group) for name, group in groups.items()}
    else:
        stages, reboots = {}, {}
    return ClusterBehaviour(
        pod_start=SpreadLength(times.pod_start, times.pod_start, times.apps),
        pod_stop=times.pod_stop,
        stage=SpreadLength(times.stage, times.stage, stages) if stages else times.stage,
        reboot=SpreadLength(times.reboot, times.reboot, reboots) if reboots else times.reboot,
        agent=times.agent,
        budget=times.status,
        workload=None,
    )


def expected_seconds(
    policy: Policy,
    goals: Sequence[Goal],
    times: DurationEstimates,
    groups: Mapping[str, Mapping[str, EstimateKey]],
) -> int:
    """Returns the p95 of one run from its cordon on, in seconds: what must fit into a window. `groups`: those of the nodes,
    by cluster and name."""
    soaks = [pool.soak_seconds for goal in goals if (pool := policy.pool(goal.pool))]
    used = {groups[goal.node.cluster][goal.node.name] for goal in goals}
    reboot = max((times.estimate("reboot", *group).p95 for group in used), default=0.0)
    pods = times.estimate("pod_stop").p95 + times.estimate("pod_start").p95
    hooks = max((_hook_seconds(policy, name, times) for name in {goal.pool for goal in goals}), default=0.0)
    return int(reboot + pods + hooks + max(soaks, default=0))


def _hook_seconds(policy: Policy, name: str, times: DurationEstimates) -> float:
    """Returns how long the hooks of a node of the pool are expected to take."""
    pool = policy.pool(name)
    if pool is None or not pool.hooks:
        return 0.0
    moments = (HookMoment.BEFORE_NODE, HookMoment.AFTER_NODE)
    return sum(times.hook_seconds(moment, hook) for moment in moments for hook in pool.hooks.at(moment))
