"""A plan is what the engine would do: the same engine, on a model of the clusters, in virtual time."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from random import Random

from msgspec.structs import replace

from fleet.core.capacity.capacity import travels
from fleet.core.cluster.snapshot import Snapshot, volumes_of
from fleet.core.cluster.view import ClusterView
from fleet.core.engine.engine import Engine
from fleet.core.guards.budgets import is_ill
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.planning import architectures
from fleet.core.planning.estimates import DurationEstimates, Estimate, EstimateKey, origin
from fleet.core.planning.foreseen import warnings
from fleet.core.planning.losses import loss_notes
from fleet.core.planning.lower_bound import bound, lengths
from fleet.core.planning.plan import Plan, PlannedDoubt, PlannedHold, PlanWarning
from fleet.core.policy.evictable import stuck
from fleet.core.policy.policy import DrainRule, Policy, site_of
from fleet.core.records.held import Held, Reason
from fleet.core.releases.release import Release, is_release
from fleet.core.rollout.event import Lost, Seen, Synced
from fleet.core.rollout.rollout import Goal, Rollout, Run, Start
from fleet.core.rollout.steps import Step
from fleet.model.behaviour import ClusterBehaviour, SpreadLength
from fleet.model.model import Model
from fleet.planner.recorder import PlanRecorder, most_out
from fleet.planner.simulate import Progress, silent, simulate
from fleet.planner.uncertainty import uncertainty

PLANNED = "plan"
"""Id of the rollout that is played; no person can name it."""


def make_plan(
    ident: str,
    snapshots: Sequence[Snapshot],
    policy: Policy,
    pools: Collection[str],
    release: Release,
    start: datetime,
    times: DurationEstimates,
    lost: Mapping[str, str] = {},
    kept: Sequence[Rollout] = (),
    only: Collection[NodeRef] | None = None,
    urgency: Mapping[NodeRef, float] = {},
    tell: Progress = silent,
    brought: Mapping[tuple[NodeRef, str], dict[str, str]] = {},
) -> Plan:
    """Plans the upgrade of every node of the pools that does not run the release yet, or of those in `only`.

    `kept`: ended rollouts with failed runs that nobody has released; they become the planner's, which may change them.
    `lost`: clusters that do not answer, and why; their last snapshot may be among `snapshots`. Nodes that cannot go
    as long as nobody acts are in `held`. `urgency`: of nodes, for their goals. `tell` hears of the runs that have ended.
    `brought`: the versions of etcd that the release is known to bring, as `fleet.core.guards.recovery.brought` has them.
    Nothing outside is read or written.
    """
    with _uncollected():
        goals = tuple(
            replace(
                goal,
                urgency=urgency.get(goal.node, 0.0),
                etcd=brought.get((goal.node, goal.uid), {}),
            )
            for goal in _goals(snapshots, policy, pools, release)
            if only is None or goal.node in only
        )
        return _make(ident, goals, snapshots, policy, pools, release, start, times, lost, kept, tell)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Millions of small objects without a cycle are made: a collector that looks at all of them finds nothing."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _make(
    ident: str,
    goals: tuple[Goal, ...],
    snapshots: Sequence[Snapshot],
    policy: Policy,
    pools: Collection[str],
    release: Release,
    start: datetime,
    times: DurationEstimates,
    lost: Mapping[str, str],
    kept: Sequence[Rollout],
    tell: Progress,
) -> Plan:
    sites = {snapshot.cluster: snapshot.site for snapshot in snapshots}
    groups = {each.cluster: groups_of(each, policy) for each in snapshots}
    longest = expected_seconds(policy, goals, times, groups)
    first = Engine(sites, kept, foretells=True)
    _look(first, snapshots, lost, start)
    first.add(_rollout(goals, policy, release, longest, start))
    lasting = {goal.node: found for goal in goals if (found := first.lasting(goal.node, start))}
    ill = {name: _ill(view, start) for name, view in first.views.items()}
    chosen = frozenset(
        ref for pool in policy.pools for ref in first.canaries(PLANNED, pool.name, pool.canaries, start)
    )
    slots = lengths(goals, first.views, policy, times)
    goals = tuple(
        replace(goal, canary=goal.node in chosen)
        for goal in sorted(goals, key=lambda goal: (-first.pressure(goal.node), -slots[goal.node], goal.node))
    )
    engine = Engine(
        sites, [*kept, _rollout(goals, policy, release, longest, start)], first.views, foretells=True
    )
    seen = [each for each in snapshots if each.cluster not in lost]
    table = PlanRecorder(seen)
    models = {
        each.cluster: Model.from_snapshot(
            replace(each, at=start, pods=_as_they_go(each.pods, start)),
            expected(times, groups[each.cluster]),
            Random(0),  # noqa: S311
            ill[each.cluster],
        )
        for each in seen
    }
    simulate(engine, models, table, start, tell)
    known = tuple(times.of_groups(groups[goal.node.cluster][goal.node.name] for goal in goals))
    return _plan(
        ident, engine, table, snapshots, policy, pools, release, start, times, lost, known, lasting, groups
    )


def _as_they_go(pods: Sequence[Pod], start: datetime) -> Sequence[Pod]:
    """Finalizers are there for what their owner does once a pod has ended, such as a Job's count of it: it is taken to
    do so. Those of a pod that should have been gone long ago stay."""
    if not any(pod.finalizers for pod in pods):
        return pods
    return tuple(
        replace(pod, finalizers=False, finalizer_names=())
        if pod.finalizers and not stuck(pod, start)
        else pod
        for pod in pods
    )


def _goals(
    snapshots: Sequence[Snapshot], policy: Policy, pools: Collection[str], release: Release
) -> Iterator[Goal]:
    for snapshot in snapshots:
        machines = {machine.name: machine for machine in snapshot.machines}
        for node in snapshot.nodes:
            pool = policy.pool_of(snapshot.cluster, node)
            machine = machines.get(node.name)
            booted = machine.booted if machine is not None else None
            if pool is None or pool.name not in pools or is_release(booted, release):
                continue
            site = site_of(node, snapshot.site)
            ref = NodeRef(snapshot.cluster, node.name)
            yield Goal(ref, node.uid, pool.name, site, node.zone, policy.version_of(booted))


def _look(engine: Engine, snapshots: Sequence[Snapshot], lost: Mapping[str, str], start: datetime) -> None:
    for snapshot in snapshots:
        for thing in snapshot.things():
            engine.observe(Seen(snapshot.cluster, thing), start)
        if snapshot.cluster in lost:
            engine.observe(Lost(snapshot.cluster, lost[snapshot.cluster]), start)
        else:
            engine.observe(Synced(snapshot.cluster, snapshot.server_version), start)


def _rollout(
    goals: tuple[Goal, ...], policy: Policy, release: Release, longest: int, start: datetime
) -> Rollout:
    begin = Start("", release, policy, goals, longest)
    return Rollout(PLANNED, begin, start, "planner")


def groups_of(snapshot: Snapshot, policy: Policy) -> dict[str, EstimateKey]:
    """The pool and the operating system of every node that is in a pool, by name."""
    systems = {machine.name: machine.os for machine in snapshot.machines}
    pools = ((node, policy.pool_of(snapshot.cluster, node)) for node in snapshot.nodes)
    return {node.name: (pool.name, systems.get(node.name, "")) for node, pool in pools if pool is not None}


def expected(times: DurationEstimates, groups: Mapping[str, EstimateKey] = {}) -> ClusterBehaviour:
    """A cluster in which everything takes as long as expected. `groups`: of its nodes, by name."""
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
    """p95 of one run from its cordon on, for windows. `groups`: of nodes, by cluster and name."""
    soaks = [pool.soak_seconds for goal in goals if (pool := policy.pool(goal.pool))]
    chosen = {groups[goal.node.cluster][goal.node.name] for goal in goals}
    reboot = max((times.estimate("reboot", *group).p95 for group in chosen), default=0.0)
    pods = times.estimate("pod_stop").p95 + times.estimate("pod_start").p95
    return int(reboot + pods + max(soaks, default=0))


def _plan(
    ident: str,
    engine: Engine,
    table: PlanRecorder,
    snapshots: Sequence[Snapshot],
    policy: Policy,
    pools: Collection[str],
    release: Release,
    start: datetime,
    times: DurationEstimates,
    lost: Mapping[str, str],
    known: tuple[Estimate, ...],
    lasting: Mapping[NodeRef, Sequence[Held]],
    groups: Mapping[str, Mapping[str, EstimateKey]],
) -> Plan:
    rollout = engine.rollouts[PLANNED]
    done = [run for run in rollout.runs.values() if run.step is Step.DONE]
    runs = sorted((table.run(run) for run in done), key=lambda each: (each.start, each.node))
    staged = staged_of(snapshots, release)
    views = views_of(snapshots, lost)
    drained = _drained(rollout, views)
    least = bound([run.goal for run in done], views, policy, times, staged, start)
    makespan = max((run.end for run in runs), default=0.0)
    late, assumed = uncertainty(runs, policy, start, rollout.start.expected_seconds, groups, times)
    return Plan(
        plan_id=ident,
        target=release,
        policy=policy,
        start=start,
        makespan_seconds=makespan,
        lower_bound_seconds=min(least.seconds, makespan),
        bound_by=least.describe(
            most_out(run for run in runs if NodeRef(run.cluster, run.node) in least.inside)
        ),
        evictions=sum(len(run.evictions) for run in runs),
        pods=_pods(done, snapshots),
        peak_unavailable=table.peak,
        runs=tuple(runs),
        held=tuple(_holds(engine, rollout, lasting, start)),
        pools=tuple(pools),
        clusters=tuple(dict.fromkeys(run.node.cluster for run in rollout.runs.values())),
        p95_seconds=late,
        assumed=assumed,
        fingerprint={
            str(run.node): f"{run.goal.uid} {run.goal.from_version}" for run in rollout.runs.values()
        },
        run_seconds=rollout.start.expected_seconds,
        times=origin(known),
        durations=known,
        warnings=(
            *warnings(snapshots, views, policy, [run.goal for run in rollout.runs.values()], times, start),
            *_losses(views, drained),
            *_empty(snapshots, policy, pools),
            *architectures.warnings([run.goal for run in rollout.runs.values()], views, release),
        ),
        doubts=tuple(_doubts(rollout, snapshots)),
    )


def _losses(
    views: Mapping[str, ClusterView], drained: Mapping[str, Mapping[str, DrainRule]]
) -> Iterator[PlanWarning]:
    """Yields the pods that a drain would lose or not get rid of."""
    for name, view in views.items():
        for note in loss_notes(view, drained.get(name, {})):
            yield PlanWarning(note.check, name, note.subject, note.message, note.remedy)


def _empty(snapshots: Sequence[Snapshot], policy: Policy, pools: Collection[str]) -> Iterator[PlanWarning]:
    """Yields the pools that no node is in: their plan has nothing to do, but not because all is done."""
    own = (policy.pool_of(each.cluster, node) for each in snapshots for node in each.nodes)
    taken = {pool.name for pool in own if pool is not None}
    if set(pools) <= taken:
        return
    nodes = sum(len(each.nodes) for each in snapshots)
    where = ", ".join(each.cluster for each in snapshots)
    for name in pools:
        if name not in taken:
            words = f"no node is in it, of {nodes:,} in {where}"
            remedy = "look at its selector and clusters in the policy, and at the pools before it, which come first"
            yield PlanWarning("pool-empty", "", name, words, remedy)


def _drained(rollout: Rollout, views: Mapping[str, ClusterView]) -> dict[str, dict[str, DrainRule]]:
    """The nodes that are to be drained, by cluster, each with its pool's rule, which its view learns too."""
    found: dict[str, dict[str, DrainRule]] = {}
    for run in rollout.runs.values():
        rule = rollout.pool(run).drain
        views[run.node.cluster].govern(run.node.name, rule.rules)
        found.setdefault(run.node.cluster, {})[run.node.name] = rule
    return found


def views_of(snapshots: Sequence[Snapshot], lost: Mapping[str, str]) -> Mapping[str, ClusterView]:
    """As it was at the start: the engine's have gone on."""
    views = {}
    for snapshot in snapshots:
        view = views[snapshot.cluster] = ClusterView.of(snapshot)
        view.why_lost = lost.get(snapshot.cluster, "")
    return views


def _pods(done: Sequence[Run], snapshots: Sequence[Snapshot]) -> int:
    """Pods that have to move at least once: those on the nodes at the start."""
    nodes = {run.node for run in done}
    return sum(
        NodeRef(snapshot.cluster, pod.node) in nodes and not pod.stays and not pod.finished
        for snapshot in snapshots
        for pod in snapshot.pods
    )


def _doubts(rollout: Rollout, snapshots: Sequence[Snapshot]) -> Iterator[PlannedDoubt]:
    """What cannot be known about the pods that were on the rollout's nodes at the start."""
    for snapshot in snapshots:
        volumes = volumes_of(snapshot)
        for pod in snapshot.pods:
            if not (pod.doubts or pod.claims) or NodeRef(snapshot.cluster, pod.node) not in rollout.runs:
                continue
            if travels(pod):
                for doubt in volumes.doubts(pod):
                    yield PlannedDoubt(
                        str(pod.ref), pod.node, doubt.about, doubt.subject, doubt.message, snapshot.cluster
                    )


def staged_of(snapshots: Sequence[Snapshot], release: Release) -> frozenset[NodeRef]:
    return frozenset(
        NodeRef(snapshot.cluster, machine.name)
        for snapshot in snapshots
        for machine in snapshot.machines
        if is_release(machine.staged, release)
    )


def _ill(view: ClusterView, start: datetime) -> list[str]:
    """Pods that will not be Ready by themselves, though their node is: their replacements are not taken to be Ready."""
    running = {name for name, node in view.nodes.items() if node.ready is True}
    return [
        pod.uid
        for pod in view.pods.values()
        if not pod.ready and not pod.finished and pod.node in running and is_ill(pod, view, start)
    ]


def _holds(
    engine: Engine, rollout: Rollout, first: Mapping[NodeRef, Sequence[Held]], start: datetime
) -> Iterator[PlannedHold]:
    """`first`: what held nodes at the start. Its words are about pods that are there, not about those of the model."""
    for run in rollout.runs.values():
        if run.step is Step.DONE:
            continue
        reasons = engine.why(run.node, start)
        said = {(each.reason, each.subject): each for each in first.get(run.node, ())}
        reasons = tuple(said.get((each.reason, each.subject), each) for each in reasons)
        # Of a node that another party deletes, that comes first: nothing else about it has to be mended.
        held = next((each for each in reasons if each.passed_over), reasons[0] if reasons else None)
        others = tuple(each for each in reasons if each.needs_action and each is not held)
        told = held.message if held is not None else "it did not end within the plan's horizon"
        if held is not None and held.reason is Reason.HALTED:
            # There is no rollout yet that could be resumed.
            told = f"the rollout would halt before it: {rollout.why}"
            held = replace(held, params={**held.params, "advice": "mend that first, then plan again"})
        advice = held.remedy if held is not None else ""
        if run.step in (Step.FAILED, Step.RETURN) and run.why:
            # Nothing has happened yet.
            told, advice = f"its run would fail: {run.why}", advice or "mend that first, then plan again"
        yield PlannedHold(
            node=run.node.name,
            reason=held.reason if held is not None else str(run.step),
            detail=told if run.step is not Step.CANCELLED else run.why or told,
            cluster=run.node.cluster,
            remedy=advice,
            held=held,
            goal=run.goal,
            others=others,
        )
