"""A plan is what the engine would do: the same engine, on a model of the clusters, in virtual time."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from random import Random

from msgspec.structs import replace

from fleet.core.bound import bound, lengths
from fleet.core.engine import Engine
from fleet.core.event import Lost, Seen, Synced, Thing
from fleet.core.node import NodeRef
from fleet.core.plan import Plan, PlannedHold
from fleet.core.policy import Policy, site_of
from fleet.core.release import Release, is_release
from fleet.core.rollout import Goal, Rollout, Run, Start
from fleet.core.snapshot import Snapshot
from fleet.core.steps import Step
from fleet.core.times import Group, Known, Times, origin
from fleet.core.view import ClusterView
from fleet.sim.behaviour import Behaviour, Spread
from fleet.sim.model import Model
from fleet.sim.play import Tell, play, silent
from fleet.sim.timetable import Timetable


def make_plan(
    ident: str,
    snapshots: Sequence[Snapshot],
    policy: Policy,
    pools: Collection[str],
    release: Release,
    start: datetime,
    times: Times,
    lost: Mapping[str, str] = {},
    kept: Sequence[Rollout] = (),
    only: Collection[NodeRef] | None = None,
    urgency: Mapping[NodeRef, float] = {},
    tell: Tell = silent,
) -> Plan:
    """Plans the upgrade of every node of the pools that does not run the release yet, or of those in `only`.

    `kept`: ended rollouts with failed runs that nobody has released; they become the planner's, which may change them.
    `lost`: clusters that do not answer, and why; their last snapshot may be among `snapshots`. Nodes that cannot go
    until somebody acts are in `held`. `urgency`: of nodes, for their goals. `tell` hears of the runs that have ended.
    Nothing outside is read or written.
    """
    with _uncollected():
        goals = tuple(
            replace(goal, urgency=urgency.get(goal.node, 0.0))
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
    times: Times,
    lost: Mapping[str, str],
    kept: Sequence[Rollout],
    tell: Tell,
) -> Plan:
    sites = {snapshot.cluster: snapshot.site for snapshot in snapshots}
    groups = {each.cluster: groups_of(each, policy) for each in snapshots}
    longest = expected_seconds(policy, goals, times, groups)
    first = Engine(sites, kept)
    _look(first, snapshots, lost, start)
    first.add(_rollout(goals, policy, release, longest, start))
    lasting = {goal.node for goal in goals if first.lasting(goal.node, start)}
    chosen = _canaries(goals, lasting, policy, first)
    slots = lengths(goals, first.views, policy, times)
    goals = tuple(
        replace(goal, canary=goal.node in chosen)
        for goal in sorted(goals, key=lambda goal: (-first.pressure(goal.node), -slots[goal.node], goal.node))
    )
    engine = Engine(sites, [*kept, _rollout(goals, policy, release, longest, start)], first.views)
    seen = [each for each in snapshots if each.cluster not in lost]
    table = Timetable(seen)
    models = {
        each.cluster: Model.from_snapshot(each, expected(times, groups[each.cluster]), Random(0))  # noqa: S311
        for each in seen
    }
    play(engine, models, table, start, tell)
    known = tuple(times.told(groups[goal.node.cluster][goal.node.name] for goal in goals))
    return _plan(ident, engine, table, snapshots, policy, pools, release, start, times, lost, known)


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
            version = booted.version if booted is not None else ""
            yield Goal(ref, node.uid, pool.name, site, node.zone, version)


def _look(engine: Engine, snapshots: Sequence[Snapshot], lost: Mapping[str, str], start: datetime) -> None:
    for snapshot in snapshots:
        for thing in things(snapshot):
            engine.observe(Seen(snapshot.cluster, thing), start)
        if snapshot.cluster in lost:
            engine.observe(Lost(snapshot.cluster, lost[snapshot.cluster]), start)
        else:
            engine.observe(Synced(snapshot.cluster, snapshot.server_version), start)


def _rollout(
    goals: tuple[Goal, ...], policy: Policy, release: Release, longest: int, start: datetime
) -> Rollout:
    begin = Start("", release, policy, goals, longest)
    return Rollout("plan", begin, start, "planner")


def things(snapshot: Snapshot) -> Iterator[Thing]:
    """Every object, budgets and workloads before the pods that they are about."""
    yield from snapshot.workloads
    yield from snapshot.budgets
    yield from snapshot.nodes
    yield from snapshot.machines
    yield from snapshot.volumes
    yield from snapshot.claims
    yield from snapshot.pods
    yield from snapshot.quorums


def groups_of(snapshot: Snapshot, policy: Policy) -> dict[str, Group]:
    """The pool and the operating system of every node that is in a pool, by name."""
    systems = {machine.name: machine.os for machine in snapshot.machines}
    pools = ((node, policy.pool_of(snapshot.cluster, node)) for node in snapshot.nodes)
    return {node.name: (pool.name, systems.get(node.name, "")) for node, pool in pools if pool is not None}


def expected(times: Times, groups: Mapping[str, Group] = {}) -> Behaviour:
    """A cluster in which everything takes as long as expected. `groups`: of its nodes, by name."""
    if times.measured:
        stages = {name: times.stage_of(*group) for name, group in groups.items()}
        reboots = {name: times.reboot_of(*group) for name, group in groups.items()}
    else:
        stages, reboots = {}, {}
    return Behaviour(
        pod_start=Spread(times.pod_start, times.pod_start, times.apps),
        pod_stop=times.pod_stop,
        stage=Spread(times.stage, times.stage, stages) if stages else times.stage,
        reboot=Spread(times.reboot, times.reboot, reboots) if reboots else times.reboot,
        agent=times.agent,
        budget=times.status,
        workload=None,
    )


def expected_seconds(
    policy: Policy, goals: Sequence[Goal], times: Times, groups: Mapping[str, Mapping[str, Group]]
) -> int:
    """p95 of one run from its cordon on, for windows. `groups`: of nodes, by cluster and name."""
    soaks = [pool.soak_seconds for goal in goals if (pool := policy.pool(goal.pool))]
    chosen = {groups[goal.node.cluster][goal.node.name] for goal in goals}
    reboot = max((times.known("reboot", *group).p95 for group in chosen), default=0.0)
    pods = times.known("pod_stop").p95 + times.known("pod_start").p95
    return int(reboot + pods + max(soaks, default=0))


def _canaries(
    goals: Sequence[Goal], lasting: Collection[NodeRef], policy: Policy, engine: Engine
) -> frozenset[NodeRef]:
    """Of each pool those that stand in the way of the least, and can go."""
    chosen: set[NodeRef] = set()
    for pool in policy.pools:
        able = [goal.node for goal in goals if goal.pool == pool.name and goal.node not in lasting]
        able.sort(key=lambda ref: (engine.leads(ref), engine.pressure(ref), ref))
        chosen.update(able[: pool.canaries])
    return frozenset(chosen)


def _plan(
    ident: str,
    engine: Engine,
    table: Timetable,
    snapshots: Sequence[Snapshot],
    policy: Policy,
    pools: Collection[str],
    release: Release,
    start: datetime,
    times: Times,
    lost: Mapping[str, str],
    known: tuple[Known, ...],
) -> Plan:
    rollout = engine.rollouts["plan"]
    done = [run for run in rollout.runs.values() if run.step is Step.DONE]
    runs = sorted((table.run(run) for run in done), key=lambda each: (each.start, each.node))
    staged = staged_of(snapshots, release)
    least = bound([run.goal for run in done], views_of(snapshots, lost), policy, times, staged, start)
    makespan = max((run.end for run in runs), default=0.0)
    return Plan(
        plan_id=ident,
        target=release,
        policy=policy,
        start=start,
        makespan_seconds=makespan,
        lower_bound_seconds=min(least.seconds, makespan),
        bound_by=least.by,
        evictions=sum(len(run.evictions) for run in runs),
        pods=_pods(done, snapshots),
        peak_unavailable=table.peak,
        runs=tuple(runs),
        held=tuple(_holds(engine, rollout, start)),
        pools=tuple(pools),
        clusters=tuple(dict.fromkeys(run.node.cluster for run in rollout.runs.values())),
        p95_seconds=makespan * times.p95,
        fingerprint={
            str(run.node): f"{run.goal.uid} {run.goal.from_version}" for run in rollout.runs.values()
        },
        run_seconds=rollout.start.expected_seconds,
        times=origin(known),
        durations=known,
    )


def views_of(snapshots: Sequence[Snapshot], lost: Mapping[str, str]) -> Mapping[str, ClusterView]:
    """As it was at the start: the engine's have gone on."""
    views = {}
    for snapshot in snapshots:
        view = views[snapshot.cluster] = ClusterView(snapshot.cluster)
        view.why_lost = lost.get(snapshot.cluster, "")
        for thing in things(snapshot):
            view.see(thing)
    return views


def _pods(done: Sequence[Run], snapshots: Sequence[Snapshot]) -> int:
    """Pods that have to move at least once: those on the nodes at the start."""
    nodes = {run.node for run in done}
    return sum(
        NodeRef(snapshot.cluster, pod.node) in nodes and not pod.stays and not pod.finished
        for snapshot in snapshots
        for pod in snapshot.pods
    )


def staged_of(snapshots: Sequence[Snapshot], release: Release) -> frozenset[NodeRef]:
    return frozenset(
        NodeRef(snapshot.cluster, machine.name)
        for snapshot in snapshots
        for machine in snapshot.machines
        if is_release(machine.staged, release)
    )


def _holds(engine: Engine, rollout: Rollout, start: datetime) -> Iterator[PlannedHold]:
    for run in rollout.runs.values():
        if run.step is Step.DONE:
            continue
        reasons = engine.why(run.node, start)
        held = next((each for each in reasons if each.lasting), reasons[0] if reasons else None)
        yield PlannedHold(
            node=run.node.name,
            reason=held.reason if held is not None else str(run.step),
            detail=run.why
            or (held.words if held is not None else "it did not end within the plan's horizon"),
            cluster=run.node.cluster,
            advice=held.advice if held is not None else "",
            held=held,
            goal=run.goal,
        )
