"""Makes a plan: the same engine that runs rollouts, on a model of the clusters, in virtual time."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from random import Random
from typing import NamedTuple

from msgspec.structs import replace

from fleet.core.cluster.view import ClusterView
from fleet.core.engine.engine import Engine
from fleet.core.guards.pods.budgets import is_unhealthy
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.planning.plan import Plan
from fleet.core.planning.shortest_run import lengths
from fleet.core.policy.evictable import stuck
from fleet.core.records.held import Held
from fleet.core.rollout.event import ClusterLost, ClusterSynced, Upserted
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step
from fleet.core.state.hook_calls import Expected
from fleet.core.state.own_pod import OwnPod
from fleet.model.model import Model
from fleet.planner.assembly import Ended, assemble
from fleet.planner.expectations import expected, expected_seconds
from fleet.planner.recorder import PlanRecorder
from fleet.planner.request import PlanRequest
from fleet.planner.simulate import Progress, silent, simulate

PLANNED = "plan"
"""The id of the simulated rollout, which no user can name."""


def make_plan(request: PlanRequest, report: Progress = silent) -> Plan:
    """Plans the requested upgrade. `report` is called with how many runs have ended, of how many.

    Nodes that cannot go until an operator acts are in `Plan.held`. Nothing outside the process is read or written.
    """
    with _uncollected():
        ended = _simulated(request, report)
        # The controllers of a model and its objects refer to each other: only the collector frees them.
        gc.collect()
        return assemble(request, ended)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Turns the garbage collector off, since a plan makes millions of small objects that end without it, and leaves all
    objects of before out of collections."""
    collects = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if collects:
            gc.enable()


def _simulated(request: PlanRequest, report: Progress) -> Ended:
    """Runs the engine twice: once to find the canaries and the order of the nodes, and then on the model."""
    goals, start, groups = request.goals(), request.start, request.groups()
    run_seconds = expected_seconds(request.policy, goals, request.times, groups)
    before = _before(request, goals, run_seconds)
    unhealthy = {name: _unhealthy_pods(view, start) for name, view in before.views.items()}
    sites = {snapshot.cluster: snapshot.site for snapshot in request.snapshots}
    rollout = _rollout(request, before.goals, run_seconds)
    engine = Engine(
        sites,
        [*request.kept, rollout],
        before.views,
        foretells=True,
        expected=_hooks(request),
        own=_own(request),
    )
    table = PlanRecorder()
    models = {
        cluster_snapshot.cluster: Model.from_snapshot(
            replace(cluster_snapshot, at=start, pods=_without_finalizers(cluster_snapshot.pods, start)),
            expected(request.times, groups[cluster_snapshot.cluster]),
            Random(0),  # noqa: S311
            unhealthy[cluster_snapshot.cluster],
        )
        for cluster_snapshot in request.answering()
    }
    simulate(engine, models, table, start, report)
    done = (table.run(run) for run in rollout.runs.values() if run.step is Step.DONE)
    runs = tuple(sorted(done, key=lambda planned: (planned.start, planned.node)))
    reasons = {ref: engine.why(ref, start) for ref, run in rollout.runs.items() if run.step is not Step.DONE}
    return Ended(rollout, runs, table.peak, reasons, before.held)


class Before(NamedTuple):
    """The clusters as they are at the start, with the order in which the nodes go. The engine that found it is not kept:
    its indexes would take memory for as long as the simulation runs."""

    views: Mapping[str, ClusterView]
    goals: tuple[Goal, ...]
    held: Mapping[NodeRef, tuple[Held, ...]]
    """The reasons that hold nodes until an operator acts."""


def _before(request: PlanRequest, goals: tuple[Goal, ...], run_seconds: int) -> Before:
    engine = _observed(request, goals, run_seconds)
    held = {goal.node: reasons for goal in goals if (reasons := engine.lasting(goal.node, request.start))}
    return Before(engine.views, _in_order(request, engine, goals), held)


def _own(request: PlanRequest) -> OwnPod | None:
    return replace(request.own, planned=True) if request.own is not None else None


def _hooks(request: PlanRequest) -> Expected:
    return lambda place, hook: request.times.hook_seconds(place.moment, hook)


def _observed(request: PlanRequest, goals: tuple[Goal, ...], run_seconds: int) -> Engine:
    """Returns an engine that has seen all clusters as they are at the start, with a rollout that has not begun."""
    sites = {snapshot.cluster: snapshot.site for snapshot in request.snapshots}
    engine = Engine(sites, request.kept, foretells=True, own=_own(request))
    for snapshot in request.snapshots:
        for obj in snapshot.objects():
            engine.observe(Upserted(snapshot.cluster, obj), request.start)
        if snapshot.cluster in request.lost:
            engine.observe(ClusterLost(snapshot.cluster, request.lost[snapshot.cluster]), request.start)
        else:
            engine.observe(ClusterSynced(snapshot.cluster, snapshot.server_version), request.start)
    engine.add(_rollout(request, goals, run_seconds))
    return engine


def _in_order(request: PlanRequest, engine: Engine, goals: tuple[Goal, ...]) -> tuple[Goal, ...]:
    """Returns the goals with their canaries marked: nodes whose scarcest budget has the most work left go first, then
    those whose run is the longest."""
    pools, start = request.policy.pools, request.start
    canaries = frozenset(
        ref for pool in pools for ref in engine.canaries(PLANNED, pool.name, pool.canaries, start)
    )
    slots = lengths(goals, engine.views, request.policy, request.times)
    return tuple(
        replace(goal, canary=goal.node in canaries)
        for goal in sorted(
            goals, key=lambda goal: (-engine.pressure(goal.node), -slots[goal.node], goal.node)
        )
    )


def _rollout(request: PlanRequest, goals: tuple[Goal, ...], run_seconds: int) -> Rollout:
    begin = Start("", request.release, request.policy, goals, run_seconds)
    return Rollout(PLANNED, begin, request.start, "planner")


def _without_finalizers(pods: Sequence[Pod], start: datetime) -> Sequence[Pod]:
    """Returns the pods without their finalizers. The owner of a finalizer is expected to do its work once the pod has
    ended, as the Job controller does when it counts the pod. A pod that should have been gone long ago keeps its own."""
    if not any(pod.finalizers for pod in pods):
        return pods
    return tuple(
        replace(pod, finalizers=False, finalizer_names=())
        if pod.finalizers and not stuck(pod, start)
        else pod
        for pod in pods
    )


def _unhealthy_pods(view: ClusterView, start: datetime) -> list[str]:
    """Returns the uids of pods that will not become Ready by themselves although their node is Ready. Their replacements
    are not expected to become Ready either."""
    running = {name for name, node in view.nodes.items() if node.ready is True}
    return [
        pod.uid
        for pod in view.pods.values()
        if not pod.ready and not pod.finished and pod.node in running and is_unhealthy(pod, view, start)
    ]
