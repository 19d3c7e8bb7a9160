"""A search for a better order than the greedy one: it plans again and again, and lets those go earlier that came last.

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
"""Plans the same with these urgencies of nodes."""
CLOSE = 1.005
"""A makespan of so many lower bounds is not worth a search."""
RAISE = 0.2
"""Of the work in the budget that has the most: what the node that ended last gains in urgency."""
STEEPNESS = 4
"""A node that ended halfway gains a sixteenth of that."""


def search_order(plan: Plan, again: Replan, go_on: Callable[[Plan], bool]) -> Plan:
    """The best of the plans found while `go_on`, which is asked with the best so far before each further one."""
    best = last = plan
    urgency: dict[NodeRef, float] = {}
    orders = 0
    while best.runs and best.makespan_seconds > CLOSE * best.lower_bound_seconds and go_on(best):
        for ref, gained in _raised_urgency(last).items():
            urgency[ref] = urgency.get(ref, 0.0) + gained
        last = again(urgency)
        orders += 1
        best = min(best, last, key=_cost)
    return replace(best, effort=Effort(orders, plan.makespan_seconds - best.makespan_seconds))


def _cost(plan: Plan) -> tuple[int, float, int]:
    """No order is better that leaves more nodes held."""
    return len(plan.held), plan.makespan_seconds, plan.evictions


def _raised_urgency(plan: Plan) -> Mapping[NodeRef, float]:
    work = Counter(budget for run in plan.runs for each in run.evictions for budget in each.budgets)
    most = RAISE * max(work.values(), default=1)
    return {
        NodeRef(run.cluster, run.node): most * (run.end / plan.makespan_seconds) ** STEEPNESS
        for run in plan.runs
    }
