"""Assembles the plan from what was recorded while the engine worked through it on the model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import UNSET, Struct
from msgspec.structs import replace

from fleet.core.capacity.rescheduled_pods import needs_place_elsewhere
from fleet.core.cluster.snapshot import Snapshot, volumes_of
from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import EstimateKey, origin
from fleet.core.planning.lower_bound import bound
from fleet.core.planning.plan import Plan, PlannedDoubt, PlannedHold, PlannedRun, PlanWarning
from fleet.core.planning.plan_warnings import architectures
from fleet.core.planning.plan_warnings.losses import loss_notes
from fleet.core.planning.plan_warnings.plan_warnings import warnings
from fleet.core.planning.plan_warnings.window_warnings import freezes_inside, late_for_patch_within
from fleet.core.policy.policy import DrainRule, Policy
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import Release, is_release
from fleet.core.rollout.goal import Goal
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step
from fleet.planner.limit_waits import opens_by_itself
from fleet.planner.recorder import most_out
from fleet.planner.request import PlanRequest
from fleet.planner.uncertainty import uncertainty


class Ended(Struct, frozen=True):
    """Holds what is left of the simulation once nothing moves any more. The engine and the models, which take most of
    a plan's memory, are not part of it."""

    rollout: Rollout
    runs: tuple[PlannedRun, ...]
    """The runs that are done, by their start."""
    peak: int
    """The most nodes that had a slot at the same time."""
    reasons: Mapping[NodeRef, tuple[Held, ...]]
    """The reasons that hold the nodes whose run is not done."""
    held_at_start: Mapping[NodeRef, Sequence[Held]]
    """The reasons that hold nodes at the start and need action by an operator. Their messages name real pods, not those of
    the model."""


def assemble(request: PlanRequest, ended: Ended) -> Plan:
    """Returns the plan: its runs, what is held and why, its lower bound, its p95, and what the user should know."""
    rollout, groups, start = ended.rollout, request.groups(), request.start
    done = [run for run in rollout.runs.values() if run.step is Step.DONE]
    goals = [run.goal for run in rollout.runs.values()]
    runs = ended.runs
    views = views_of(request.snapshots, request.lost)
    drained = drained_of(goals, request.policy, views)
    staged = staged_of(request.snapshots, request.release)
    lower = bound([run.goal for run in done], views, request.policy, request.times, staged, start)
    makespan = max((run.end for run in runs), default=0.0)
    p95, assumed = uncertainty(
        runs, request.policy, start, rollout.start.expected_seconds, groups, request.times
    )
    estimates = tuple(request.times.of_groups(_group_of(goal, groups) for goal in goals))
    return Plan(
        plan_id=request.plan_id,
        target=request.release,
        policy=request.policy,
        start=start,
        makespan_seconds=makespan,
        lower_bound_seconds=min(lower.seconds, makespan),
        bound_by=lower.describe(most_out(_inside(runs, lower.inside))),
        evictions=sum(len(run.evictions) for run in runs),
        pods=_pods(done, request.snapshots),
        peak_unavailable=ended.peak,
        runs=runs,
        held=tuple(_holds(ended, views, {each.cluster: each.site for each in request.snapshots})),
        pools=tuple(request.pools),
        clusters=tuple(dict.fromkeys(goal.node.cluster for goal in goals)),
        p95_seconds=p95,
        assumed=assumed,
        fingerprint={str(goal.node): f"{goal.uid} {goal.from_version}" for goal in goals},
        run_seconds=rollout.start.expected_seconds,
        times=origin(estimates),
        durations=estimates,
        warnings=(
            *warnings(request.snapshots, views, request.policy, goals, request.times, start),
            *freezes_inside(map(rollout.schedule, rollout.runs.values()), start, makespan),
            *late_for_patch_within(request.policy, request.pools, request.release, start, makespan),
            *_losses(views, drained),
            *_empty(request.snapshots, request.policy, request.pools),
            *architectures.warnings(goals, views, request.release),
        ),
        doubts=tuple(_doubts(rollout, request.snapshots)),
    )


def _group_of(goal: Goal, groups: Mapping[str, Mapping[str, EstimateKey]]) -> EstimateKey:
    return groups[goal.node.cluster][goal.node.name]


def _inside(runs: Sequence[PlannedRun], inside: Collection[NodeRef]) -> Iterator[PlannedRun]:
    return (run for run in runs if NodeRef(run.cluster, run.node) in inside)


def _losses(
    views: Mapping[str, ClusterView], drained: Mapping[str, Mapping[str, DrainRule]]
) -> Iterator[PlanWarning]:
    """Yields the pods that a drain would lose or not get rid of."""
    for name, view in views.items():
        for note in loss_notes(view, drained.get(name, {})):
            yield PlanWarning(note.check, name, note.subject, note.message, note.remedy)


def _empty(snapshots: Sequence[Snapshot], policy: Policy, pools: Collection[str]) -> Iterator[PlanWarning]:
    """Yields the pools that no node is in: their plan has nothing to do, but not because all is done."""
    pools_of_nodes = (
        policy.pool_of(snapshot.cluster, node) for snapshot in snapshots for node in snapshot.nodes
    )
    filled = {pool.name for pool in pools_of_nodes if pool is not None}
    if set(pools) <= filled:
        return
    nodes = sum(len(snapshot.nodes) for snapshot in snapshots)
    clusters = ", ".join(snapshot.cluster for snapshot in snapshots)
    for name in pools:
        if name not in filled:
            message = f"no node is in it, of {nodes:,} in {clusters}"
            remedy = "look at its selector and clusters in the policy, and at the pools before it, which come first"
            yield PlanWarning("pool-empty", "", name, message, remedy)


def drained_of(
    goals: Iterable[Goal], policy: Policy, views: Mapping[str, ClusterView]
) -> dict[str, dict[str, DrainRule]]:
    """Returns the nodes to drain, by cluster, each with the drain rule of its pool; their views are given the rule too."""
    drained: dict[str, dict[str, DrainRule]] = {}
    for goal in goals:
        pool, cluster = policy.pool(goal.pool), goal.node.cluster
        if pool is not None:
            views[cluster].set_drain_rules(goal.node.name, pool.drain.rules)
            drained.setdefault(cluster, {})[goal.node.name] = pool.drain
    return drained


def views_of(snapshots: Sequence[Snapshot], lost: Mapping[str, str]) -> Mapping[str, ClusterView]:
    """Returns the views of the clusters at the start, by name. The engine's own views have changed since."""
    views = {}
    for snapshot in snapshots:
        view = views[snapshot.cluster] = ClusterView.of(snapshot)
        view.why_lost = lost.get(snapshot.cluster, "")
    return views


def _pods(done: Sequence[Run], snapshots: Sequence[Snapshot]) -> int:
    """Counts the pods that have to move at least once: those on the nodes at the start."""
    nodes = {run.node for run in done}
    return sum(
        NodeRef(snapshot.cluster, pod.node) in nodes and not pod.stays and not pod.finished
        for snapshot in snapshots
        for pod in snapshot.pods
    )


def _doubts(rollout: Rollout, snapshots: Sequence[Snapshot]) -> Iterator[PlannedDoubt]:
    """Yields what fleet cannot know about the pods that were on the rollout's nodes at the start."""
    for snapshot in snapshots:
        volumes = volumes_of(snapshot)
        for pod in snapshot.pods:
            if not (pod.doubts or pod.claims) or NodeRef(snapshot.cluster, pod.node) not in rollout.runs:
                continue
            if needs_place_elsewhere(pod):
                for doubt in volumes.doubts(pod):
                    yield PlannedDoubt(
                        str(pod.ref), pod.node, doubt.about, doubt.subject, doubt.message, snapshot.cluster
                    )


def staged_of(snapshots: Sequence[Snapshot], release: Release) -> frozenset[NodeRef]:
    """Returns the nodes whose image is written already."""
    return frozenset(
        NodeRef(snapshot.cluster, machine.name)
        for snapshot in snapshots
        for machine in snapshot.machines
        if is_release(machine.staged, release)
    )


def _holds(ended: Ended, views: Mapping[str, ClusterView], sites: Mapping[str, str]) -> Iterator[PlannedHold]:
    """Yields the nodes that the plan does not upgrade, each with its reason."""
    rollout = ended.rollout
    for run in rollout.runs.values():
        if run.step is Step.DONE:
            continue
        holds = ended.reasons[run.node]
        at_start = {(found.reason, found.subject): found for found in ended.held_at_start.get(run.node, ())}
        holds = tuple(at_start.get((hold.reason, hold.subject), hold) for hold in holds)
        # If another controller deletes the node, that comes first: nothing else about the node needs to be fixed.
        held = next((hold for hold in holds if hold.passed_over), holds[0] if holds else None)
        others = tuple(hold for hold in holds if hold.needs_action and hold is not held)
        message = held.message if held is not None else "it did not end within the plan's horizon"
        if held is not None and held.reason is Reason.HALTED:
            # There is no rollout yet that could be resumed.
            message = f"the rollout would halt before it: {rollout.why}"
            held = replace(held, params={**held.params, "advice": "fix that first, then plan again"})
        remedy = held.remedy if held is not None else ""
        if run.step in (Step.FAILED, Step.RETURN) and run.why:
            # Nothing has happened yet.
            message, remedy = f"its run would fail: {run.why}", remedy or "fix that first, then plan again"
        yield PlannedHold(
            node=run.node.name,
            reason=held.reason if held is not None else str(run.step),
            detail=message if run.step is not Step.CANCELLED else run.why or message,
            cluster=run.node.cluster,
            remedy=remedy,
            held=held,
            goal=run.goal,
            others=others,
            opens=True if held is not None and opens_by_itself(held, rollout, views, sites) else UNSET,
        )
