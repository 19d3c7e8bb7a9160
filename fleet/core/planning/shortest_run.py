"""The run of one node at its shortest: the seconds that it takes if it never waits for anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.policy.policy import Policy
from fleet.core.rollout.goal import Goal
from fleet.core.steps.drain import SETTLE


class ShortestRun(NamedTuple):
    """The run of one node, at its shortest."""

    goal: Goal
    stage: float
    """Seconds to write the image. 0: the image is written already."""
    out: float
    """Seconds for which the run has a slot."""
    drained: float
    """The part of `out` that comes after the node's last pod has ended, in seconds."""
    grace: int | None
    """The pool's own grace period, in seconds. None: each pod's own grace period holds."""

    @property
    def whole(self) -> float:
        return self.stage + self.out


def lengths(
    goals: Sequence[Goal], views: Mapping[str, ClusterView], policy: Policy, times: DurationEstimates
) -> Mapping[NodeRef, float]:
    """Returns how long each node has a slot at least, in seconds. The grace periods of its pods and the reboot are
    included."""
    return {
        goal.node: shortest_run(goal, views[goal.node.cluster], policy, times, True).out for goal in goals
    }


def shortest_run(
    goal: Goal, view: ClusterView, policy: Policy, times: DurationEstimates, staged: bool
) -> ShortestRun:
    """Returns the shortest run that the goal can have. `staged`: the image is written already."""
    pool = policy.pool(goal.pool)
    grace = pool.drain.grace_seconds if pool is not None else None
    stops = [stop_seconds(pod, grace, times) for pod in view.to_drain(goal.node.name)]
    drain = max(SETTLE.total_seconds(), *stops) if stops else SETTLE.total_seconds()
    soak = pool.soak_seconds if pool is not None else 0
    machine = view.machines.get(goal.node.name)
    os = machine.os if machine is not None else ""
    drained = times.agent + times.reboot_of(goal.pool, os) + times.agent + soak
    stage = 0.0 if staged else times.agent + times.stage_of(goal.pool, os)
    return ShortestRun(goal, stage, drain + drained, drained, grace)


def stop_seconds(pod: Pod, grace: int | None, times: DurationEstimates) -> float:
    """Returns the seconds that the pod takes to stop. `grace`: the pool's own grace period, if it has one."""
    return min(times.pod_stop, pod.grace_seconds if grace is None else grace)


def soak_of(work: ShortestRun, policy: Policy) -> int:
    """Returns the seconds for which the run's pool soaks a node."""
    pool = policy.pool(work.goal.pool)
    return pool.soak_seconds if pool is not None else 0


def hold_seconds(pod: Pod, grace: int | None, times: DurationEstimates, room: int) -> float:
    """Returns the seconds for which one move of the pod occupies its budget. `room`: how many pods of the budget may be
    away at once.

    A ReplicaSet replaces a pod at once; a StatefulSet waits until the old pod is gone. The delay of the budget's status
    counts only where one pod is away at a time: otherwise the status may count the replacement together with the change
    of another pod.
    """
    stop = stop_seconds(pod, grace, times)
    start = times.start_of(pod)
    in_place = pod.owner is not None and pod.owner.kind == "StatefulSet"
    alone = room == 1 and (in_place or abs(start - stop) > times.status)
    return (stop if in_place else 0.0) + start + (times.status if alone else 0.0)
