"""Computes the lower bound of a plan: the time that no order of nodes can beat, and the constraint that causes it.

Each bound takes one scarce resource and asks how long the work that must pass through that resource lasts if nothing
else ever waited. The plan shows the greatest of these bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import NamedTuple

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.shortest_run import ShortestRun, hold_seconds, shortest_run, soak_of, stop_seconds
from fleet.core.planning.stage_bound import stages_bound
from fleet.core.planning.what_if import Bind
from fleet.core.policy.policy import Amount, Policy, site_of
from fleet.core.policy.schedule import Schedule, Schedules
from fleet.core.policy.windows import OpenSpan, merged
from fleet.core.rollout.goal import Goal
from fleet.core.state.limits import Scope, scopes

HORIZON = timedelta(weeks=9)
"""The time ahead for which windows are computed, if any opens in it."""


class Bound(NamedTuple):
    """One lower bound of a plan, in seconds from the start, and the constraint that causes it."""

    seconds: float
    by: str
    """The binding constraint, as a text for users."""
    bind: Bind = ()
    """The binding constraint, in a form that `core/planning/what_if.py` can loosen. Empty: nothing can be loosened."""
    places: int = 0
    """How many nodes of `inside` may be out at once. 0: what binds is not a limit."""
    inside: frozenset[NodeRef] = frozenset()

    def describe(self, peak: int) -> str:
        """Returns what binds, as a text for users.

        `peak`: the most nodes of `inside` that are out at once in the plan. A limit that is never full does not bind
        any order, whatever the computed bound is.
        """
        if peak >= self.places:
            return self.by
        return f"{self.by}, but other guards let no more than {peak} of its {self.places} places be taken"


def bound(
    goals: Sequence[Goal],
    views: Mapping[str, ClusterView],
    policy: Policy,
    times: DurationEstimates,
    staged: frozenset[NodeRef],
    start: datetime,
) -> Bound:
    """Returns the greatest of `bounds`."""
    return max(bounds(goals, views, policy, times, staged, start))


def bounds(
    goals: Sequence[Goal],
    views: Mapping[str, ClusterView],
    policy: Policy,
    times: DurationEstimates,
    staged: frozenset[NodeRef],
    start: datetime,
) -> Iterator[Bound]:
    """Yields every lower bound, in seconds from the `start`.

    `goals`: the nodes that are upgraded. `views`: the clusters as they were at the `start`, by name. `staged`: the
    nodes whose image is written already.
    """
    works = [
        shortest_run(goal, views[goal.node.cluster], policy, times, goal.node in staged) for goal in goals
    ]
    canaries = [work for work in works if work.goal.canary]
    rest = [work for work in works if not work.goal.canary]
    going = frozenset(goal.node for goal in goals)
    yield from _bounds(works, views, policy, going)
    yield from _windows(works, views, policy, going, start)
    yield from _budgets(works, views, times)
    yield from _quorums(works, views, policy)
    if canaries and rest:
        head = max(work.whole for work in canaries)
        # The canaries' drains move pods to the other nodes, and never take pods away from them.
        for tail in (*_bounds(rest, views, policy, going), *_budgets(rest, views, times)):
            yield tail._replace(seconds=head + tail.seconds, by=f"the canaries, then {tail.by}")

    def least(own: Sequence[ShortestRun]) -> float:
        found = (*_bounds(own, views, policy, going), *_budgets(own, views, times))
        return max(bound.seconds for bound in found)

    if (by_stages := stages_bound(works, policy, least)) is not None:
        yield Bound(by_stages.seconds, by_stages.by)


def _bounds(
    works: Sequence[ShortestRun],
    views: Mapping[str, ClusterView],
    policy: Policy,
    going: frozenset[NodeRef],
) -> Iterator[Bound]:
    """Yields the bounds that follow from single runs, from staging and from limits. `going`: all nodes that are
    upgraded, including those of `works`."""
    if not works:
        yield Bound(0.0, "nothing to do")
        return
    longest = max(works, key=lambda work: work.whole)
    yield Bound(longest.whole, f"one run of {longest.goal.node.name}")
    yield from _staging(works, policy)
    yield from _limits(works, views, policy, going)


def _staging(works: Sequence[ShortestRun], policy: Policy) -> Iterator[Bound]:
    """Yields the bound of each pool that follows from the number of images its machines may write at once. After the
    last image is written, its node still has to run."""
    pools: dict[str, list[ShortestRun]] = {}
    for work in works:
        pools.setdefault(work.goal.pool, []).append(work)
    for name, members in pools.items():
        pool = policy.pool(name)
        open_ = [work for work in members if work.stage]
        if open_:
            waves = ceil(len(open_) / max(1, pool.stage.concurrency if pool else 1))
            seconds = waves * min(work.stage for work in open_) + min(work.out for work in open_)
            yield Bound(seconds, f"stage.concurrency of pool {name}", ("stage", name))


def _limits(
    works: Sequence[ShortestRun], views: Mapping[str, ClusterView], policy: Policy, going: frozenset[NodeRef]
) -> Iterator[Bound]:
    """Yields the bound of each limit: a limited number of nodes of a scope may be out at once, each for the length of
    its run."""
    for scope, limit, places, taken, inside in _scopes(works, views, policy, going):
        # Places are whole: at least one place has to take this many runs, one after another.
        turns = ceil(len(inside) / places) * min(work.out for work in inside)
        seconds = max(sum(work.out for work in inside) / places, turns)
        shortest_stage = min(work.stage for work in inside)
        text = f"limit of {limit} for {scope.reason.split('-')[0]} {scope.subject}"
        if taken:
            text += f" ({taken} out already)"
        nodes = frozenset(work.goal.node for work in inside)
        yield Bound(shortest_stage + seconds, text, ("limit", str(scope.reason), scope.pool), places, nodes)


def _windows(
    works: Sequence[ShortestRun],
    views: Mapping[str, ClusterView],
    policy: Policy,
    going: frozenset[NodeRef],
    start: datetime,
) -> Iterator[Bound]:
    """Yields the bounds that follow from windows. A run begins while a window is open and no freeze is in force, and
    may end after the window."""
    schedules = Schedules(policy)
    spans: dict[Schedule, Sequence[OpenSpan]] = {}
    longest: dict[Schedule, float] = {}
    for work in works:
        schedule = _schedule(schedules, work)
        if schedule not in spans:
            until = schedule.last_moment(start, HORIZON)
            spans[schedule] = () if schedule.always_open else _open_spans(schedule, start, until)
        longest[schedule] = max(longest.get(schedule, 0.0), work.out)
    for schedule, open_spans in spans.items():
        if open_spans:
            opens = (open_spans[0][0] - start).total_seconds()
            yield Bound(opens + longest[schedule], f"the windows of pool {schedule.pool}", ("windows",))
    for scope, _, places, _, inside in _scopes(works, views, policy, going):
        all_spans = [spans[schedule] for schedule in {_schedule(schedules, work) for work in inside}]
        # A pool of the scope that may start at any time makes the windows of the others no bound.
        if all(all_spans):
            overrun = max(work.out for work in inside)
            work_per_place = sum(work.out for work in inside) / places
            joined_spans = merged(span for open_spans in all_spans for span in open_spans)
            seconds = _through(joined_spans, start, work_per_place, overrun)
            text = f"the windows of pool {scope.pool} and the limit for {scope.reason.split('-')[0]} {scope.subject}"
            yield Bound(seconds, text, ("windows",))


def _open_spans(schedule: Schedule, start: datetime, until: datetime) -> Sequence[OpenSpan]:
    """Returns the open times up to `until`, or the first one after it if there is none."""
    found = schedule.open_spans(start, until)
    opens = schedule.opens(until) if not found else None
    if opens is None:
        return found
    return [(opens, schedule.closes(opens) or opens + HORIZON)]


def _schedule(schedules: Schedules, work: ShortestRun) -> Schedule:
    return schedules.of(work.goal.pool, work.goal.node.cluster, work.goal.site)


def _through(spans: Sequence[OpenSpan], start: datetime, work: float, overrun: float) -> float:
    """Returns the seconds from `start` at which one place has done `work` seconds of work, if no run begins outside the
    spans. `overrun`: the seconds by which the last run of a span may exceed the span."""
    for begin, end in spans:
        room = (end - begin).total_seconds() + overrun
        if room >= work:
            return (begin - start).total_seconds() + work
        work -= room
    return (spans[-1][1] - start).total_seconds()


def _scopes(
    works: Sequence[ShortestRun], views: Mapping[str, ClusterView], policy: Policy, going: frozenset[NodeRef]
) -> Iterator[tuple[Scope, int, int, int, Sequence[ShortestRun]]]:
    """Yields every scope with its limit, the places that are left, the places that nodes take which are out all the
    time, and the runs inside the scope."""
    totals: dict[Scope, int] = {}
    taken: dict[Scope, int] = {}
    amounts: dict[Scope, Amount] = {}
    members: dict[Scope, list[ShortestRun]] = {}
    wanted = {work.goal.node: work for work in works}
    sites = {work.goal.node.cluster: work.goal.site for work in works}
    for view in views.values():
        for node in view.nodes.values():
            pool = policy.pool_of(view.name, node)
            if pool is None:
                continue
            ref = NodeRef(view.name, node.name)
            lasting = bool(view.why_lost) or (not node.available and ref not in going)
            site = site_of(node, sites.get(view.name, ""))
            for scope, amount in scopes(ref, pool.name, site, node.zone, pool.limits, policy.limits):
                totals[scope] = totals.get(scope, 0) + 1
                taken[scope] = taken.get(scope, 0) + lasting
                amounts[scope] = amount
                if ref in wanted:
                    members.setdefault(scope, []).append(wanted[ref])
    for scope, inside in members.items():
        limit = amounts[scope].of(totals[scope])
        if limit > taken[scope]:
            yield scope, limit, limit - taken[scope], taken[scope], inside


def _quorums(
    works: Sequence[ShortestRun], views: Mapping[str, ClusterView], policy: Policy
) -> Iterator[Bound]:
    """Yields the bound of each quorum group. Nodes with voters of one group go one after another, and each node counts
    as away until it has soaked."""
    by_node = {work.goal.node: work for work in works}
    for group in (group for view in views.values() for group in view.quorums.values()):
        nodes = {member.node for member in group.voters if member.node is not None}
        inside = [by_node[ref] for ref in sorted(nodes) if ref in by_node]
        if inside:
            soak = policy.quorum_rule(group).soak_seconds
            seconds = sum(work.out + max(0, soak - soak_of(work, policy)) for work in inside)
            yield Bound(min(work.stage for work in inside) + seconds, f"quorum group {group.name}")


def _budgets(
    works: Sequence[ShortestRun], views: Mapping[str, ClusterView], times: DurationEstimates
) -> Iterator[Bound]:
    """Yields the bound of each PodDisruptionBudget. Every pod of a budget on these nodes must move once, and each move
    occupies the budget until the pod's replacement is Ready. The replacement of the last pod need not be awaited, but
    that pod's end and the reboot of its node must."""
    moves: dict[tuple[str, PodRef], list[tuple[Pod, ShortestRun]]] = {}
    for work in works:
        view = views[work.goal.node.cluster]
        for pod in view.to_drain(work.goal.node.name):
            for ref in view.budget_index.refs_of(pod):
                if view.budgets[ref].charges(pod):
                    moves.setdefault((view.name, ref), []).append((pod, work))
    for (cluster, ref), pods in moves.items():
        room = views[cluster].budgets[ref].most_at_once
        if room == 0:
            continue
        hold = min(hold_seconds(pod, work.grace, times, room) for pod, work in pods)
        rounds = ceil(len(pods) / room) - 1
        head = min(work.stage for _, work in pods)
        tail = min(stop_seconds(pod, work.grace, times) + work.drained for pod, work in pods)
        yield Bound(head + rounds * hold + tail, f"budget {ref}", ("budget", cluster, str(ref)))
