"""The lower bound: no order of nodes can end sooner than this, and this is what binds it.

Each bound takes one scarce thing and asks how long the work that must pass through it lasts if nothing else ever
waited. The greatest of them is shown beside the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import NamedTuple

from fleet.core.advance import SETTLE
from fleet.core.guards import budgets
from fleet.core.node import NodeRef
from fleet.core.occupancy import Scope, scopes
from fleet.core.pod import Pod, PodRef
from fleet.core.policy import Amount, Policy
from fleet.core.rollout import Goal
from fleet.core.times import Times
from fleet.core.view import ClusterView


class Bound(NamedTuple):
    seconds: float
    by: str
    """What binds, in words."""


def bound(
    goals: Sequence[Goal],
    views: Mapping[str, ClusterView],
    policy: Policy,
    times: Times,
    staged: frozenset[NodeRef],
) -> Bound:
    """`goals`: the nodes that are upgraded. `staged`: those whose image is written already."""
    if not goals:
        return Bound(0.0, "nothing to do")
    found = [
        _longest_run(goals, policy, times, staged),
        *_staging(goals, policy, times, staged),
        *_limits(goals, views, policy, times, staged),
        *_budgets(goals, views, policy, times, staged),
    ]
    canaries = [goal for goal in goals if goal.canary]
    rest = [goal for goal in goals if not goal.canary]
    if canaries and rest:
        head = max(_run(goal, policy, times, staged) for goal in canaries)
        tail = bound(rest, views, policy, times, staged)
        found.append(Bound(head + tail.seconds, f"the canaries, then {tail.by}"))
    return max(found, key=lambda each: each.seconds)


def _out(goal: Goal, policy: Policy, times: Times) -> float:
    """Seconds that a node is out at least: settle, reboot, soak. Its drain may take no time at all."""
    pool = policy.pool(goal.pool)
    soak = pool.soak_seconds if pool is not None else 0
    return SETTLE.total_seconds() + times.reboot + soak


def _run(goal: Goal, policy: Policy, times: Times, staged: frozenset[NodeRef]) -> float:
    return _stage(goal, times, staged) + _out(goal, policy, times)


def _stage(goal: Goal, times: Times, staged: frozenset[NodeRef]) -> float:
    return 0.0 if goal.node in staged else times.stage


def _longest_run(goals: Sequence[Goal], policy: Policy, times: Times, staged: frozenset[NodeRef]) -> Bound:
    longest = max(goals, key=lambda goal: _run(goal, policy, times, staged))
    return Bound(_run(longest, policy, times, staged), f"one run of {longest.node.name}")


def _by_pool(goals: Iterable[Goal]) -> Mapping[str, list[Goal]]:
    pools: dict[str, list[Goal]] = {}
    for goal in goals:
        pools.setdefault(goal.pool, []).append(goal)
    return pools


def _staging(
    goals: Sequence[Goal], policy: Policy, times: Times, staged: frozenset[NodeRef]
) -> Iterator[Bound]:
    """A pool's machines write so many images at once; the last one written still has to run."""
    for name, members in _by_pool(goals).items():
        pool = policy.pool(name)
        waves = ceil(
            sum(goal.node not in staged for goal in members) / max(1, pool.stage.concurrency if pool else 1)
        )
        tail = min(_out(goal, policy, times) for goal in members)
        yield Bound(waves * times.stage + tail, f"stage.concurrency of pool {name}")


def _limits(
    goals: Sequence[Goal],
    views: Mapping[str, ClusterView],
    policy: Policy,
    times: Times,
    staged: frozenset[NodeRef],
) -> Iterator[Bound]:
    """So many nodes of a scope may be out at once, each for so long."""
    totals: dict[Scope, int] = {}
    amounts: dict[Scope, Amount] = {}
    work: dict[Scope, list[Goal]] = {}
    wanted = {goal.node: goal for goal in goals}
    for view in views.values():
        for node in view.nodes.values():
            pool = policy.pool_of(view.name, node)
            if pool is None:
                continue
            ref = NodeRef(view.name, node.name)
            goal = wanted.get(ref)
            site = goal.site if goal is not None else ""
            for scope, amount in scopes(ref, pool.name, site, node.zone, pool.limits, policy.limits):
                totals[scope] = totals.get(scope, 0) + 1
                amounts[scope] = amount
                if goal is not None:
                    work.setdefault(scope, []).append(goal)
    for scope, members in work.items():
        limit = amounts[scope].of(totals[scope])
        if limit > 0:
            seconds = sum(_out(goal, policy, times) for goal in members) / limit
            head = min(_stage(goal, times, staged) for goal in members)
            words = f"limit of {limit} for {scope.reason.split('-')[0]} {scope.subject}"
            yield Bound(head + seconds, words)


def _budgets(
    goals: Sequence[Goal],
    views: Mapping[str, ClusterView],
    policy: Policy,
    times: Times,
    staged: frozenset[NodeRef],
) -> Iterator[Bound]:
    """Every pod of a budget on these nodes must move once, and each move holds the budget until the pod that takes
    its place is Ready. The last move need not be awaited, its node's reboot must."""
    moves: dict[tuple[str, PodRef], list[tuple[Pod, Goal]]] = {}
    for goal in goals:
        view = views[goal.node.cluster]
        for pod in view.to_drain(goal.node.name):
            for budget in view.budgets_of(pod):
                if budgets.takes(pod, budget):
                    moves.setdefault((view.name, budget.ref), []).append((pod, goal))
    for (cluster, ref), pods in moves.items():
        budget = views[cluster].budgets[ref]
        room = budgets.room(budget)
        if room == 0:
            continue
        hold = min(_hold(pod, times) for pod, _ in pods)
        rounds = ceil(len(pods) / room) - 1
        head = min(_stage(goal, times, staged) for _, goal in pods)
        tail = min(_out(goal, policy, times) for _, goal in pods)
        yield Bound(head + rounds * hold + tail, f"budget {ref}")


def _hold(pod: Pod, times: Times) -> float:
    """A ReplicaSet replaces a pod at once; a StatefulSet waits until the old one is gone."""
    in_place = pod.owner is not None and pod.owner.kind == "StatefulSet"
    stop = min(times.pod_stop, pod.grace_seconds) if in_place else 0.0
    return stop + times.start_of(pod)
