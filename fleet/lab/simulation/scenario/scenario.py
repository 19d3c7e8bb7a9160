"""Draws a scenario: the clusters, the policy, the goals, and how the clusters behave."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.releases.release import Release
from fleet.core.rollout.goal import Goal
from fleet.lab.simulation.builders import NEW
from fleet.lab.simulation.scenario.cluster import draw_cluster, with_volumes
from fleet.lab.simulation.scenario.groups import draw_groups, with_group
from fleet.lab.simulation.scenario.hooks import with_hooks
from fleet.lab.simulation.scenario.policy import draw_policy
from fleet.lab.simulation.scenario.release import draw_release, of_architectures
from fleet.lab.simulation.scenario.stages import stage_index, with_stages
from fleet.model.behaviour import ClusterBehaviour, Failure, SpreadLength

EXPECTED_SECONDS = 240
"""How long one run is expected to take, in seconds."""


class Scenario(Struct, frozen=True):
    snapshots: tuple[Snapshot, ...]
    policy: Policy
    behaviour: ClusterBehaviour
    goals: tuple[Goal, ...]
    again: bool
    """True: a second rollout of the same nodes follows the first."""
    release: Release = NEW


def draw_scenario(seed: int) -> Scenario:
    """Draws the clusters, the policy and the goals of a history."""
    rng = Random(f"scene {seed}")
    names = ["east", "west"][: rng.choice([1, 1, 2])]
    pools = ["workers", "edge"][: rng.choice([1, 1, 2])]
    snapshots = tuple(draw_cluster(rng, name, pools) for name in names)
    canaries = rng.choice([0, 0, 1, 2])
    policy = draw_policy(rng, pools)
    sites = sorted({snapshot.site for snapshot in snapshots})
    policy = with_stages(seed, policy, names, sites)
    goals = _goals(snapshots, policy, canaries)
    release = draw_release(seed)
    if release.digests:
        snapshots = tuple(of_architectures(seed, snapshot) for snapshot in snapshots)
    snapshots = tuple(with_volumes(with_group(seed, snapshot)) for snapshot in snapshots)
    policy = with_hooks(seed, replace(policy, quorums=draw_groups(seed, snapshots)))
    behaviour = dataclasses.replace(_behaviour(rng), failures=_failures(seed, snapshots))
    return Scenario(snapshots, policy, behaviour, goals, rng.random() < 0.5, release)


def _failures(seed: int, snapshots: Sequence[Snapshot]) -> dict[str, Failure]:
    """Draws a node whose units fail after the boot in some scenarios, and one that boots its old release in others."""
    rng = Random(f"units {seed}")
    nodes = [node for snapshot in snapshots for node in snapshot.nodes]
    if rng.random() < 0.2:
        return {rng.choice(nodes).name: "stays-starting" if rng.random() < 0.2 else "unit-fails"}
    return {rng.choice(nodes).name: "old-version"} if rng.random() < 0.1 else {}


def _goals(snapshots: tuple[Snapshot, ...], policy: Policy, canaries: int) -> tuple[Goal, ...]:
    goals: list[Goal] = []
    for snapshot in snapshots:
        for node in snapshot.nodes:
            pool = policy.pool_of(snapshot.cluster, node)
            if pool is not None:
                ref = NodeRef(snapshot.cluster, node.name)
                goals.append(Goal(ref, node.uid, pool.name, snapshot.site, node.zone))
    first = {goal.node for goal in sorted(goals, key=lambda goal: stage_index(policy, goal))[:canaries]}
    return tuple(replace(goal, canary=goal.node in first) for goal in goals)


def _behaviour(rng: Random) -> ClusterBehaviour:
    return ClusterBehaviour(
        pod_start=SpreadLength(2, 30),
        pod_stop=SpreadLength(1, 20),
        stage=SpreadLength(10, 90),
        stage_reports=rng.choice([0, 0, 3]),
        reboot=SpreadLength(20, 200),
        budget=SpreadLength(0.05, rng.choice([0.3, 2.0])),
    )
