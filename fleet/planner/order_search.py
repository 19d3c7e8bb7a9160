"""Searches for a better order of nodes than the greedy one: plans again and again, and lets those go first that ended last.

This is squeaky wheel optimization (Joslin and Clements, Journal of Artificial Intelligence Research 10, 1999): the
engine makes each schedule, all guards included; the search turns nothing but the nodes' urgency.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.planning.plan import Effort, Plan

Replan = Callable[[Mapping[NodeRef, float]], Plan]
"""Makes the same plan with these urgencies of nodes."""
CLOSE = 1.005
"""A makespan of at most so many lower bounds is not worth a search."""
RAISE = 0.2
"""The urgency that the node that ended last gains, as a share of the evictions of the budget that has the most."""
STEEPNESS = 4
"""A node that ended halfway gains a sixteenth of that."""


def search_order(plan: Plan, replan: Replan, go_on: Callable[[Plan], bool]) -> Plan:
    """Returns the best of the plans found. `go_on` is asked before each further one, with the best so far."""
    best = last = plan
    urgency: dict[NodeRef, float] = {}
    orders = 0
    while best.runs and best.makespan_seconds > CLOSE * best.lower_bound_seconds and go_on(best):
        for ref, gained in _raised_urgency(last).items():
            urgency[ref] = urgency.get(ref, 0.0) + gained
        last = replan(urgency)
        orders += 1
        best = min(best, last, key=_cost)
    return replace(best, effort=Effort(orders, plan.makespan_seconds - best.makespan_seconds))


def _cost(plan: Plan) -> tuple[int, float, int]:
    """Orders plans from best to worst. An order that leaves more nodes held is never better."""
    return len(plan.held), plan.makespan_seconds, plan.evictions


def _raised_urgency(plan: Plan) -> Mapping[NodeRef, float]:
    """Returns what each node gains in urgency by when it ended in this plan."""
    work = Counter(budget for run in plan.runs for eviction in run.evictions for budget in eviction.budgets)
    most = RAISE * max(work.values(), default=1)
    return {
        NodeRef(run.cluster, run.node): most * (run.end / plan.makespan_seconds) ** STEEPNESS
        for run in plan.runs
    }
