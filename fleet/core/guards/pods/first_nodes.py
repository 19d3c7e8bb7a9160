"""Holds nodes until upgraded nodes can take their pods, in a cluster whose nodes no limit holds.

Pods of the first nodes land on nodes that are drained later, and are evicted again there. Nodes that wait repel pods
(`PreferNoSchedule`), so pods of later nodes land on upgraded ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from fleet.core.guards.context import Blocker, GuardContext
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.state.wait_queue import WaitKey

FIRST = 8
"""One in so many of a cluster's nodes may be out while few are upgraded: so many of all pods may move twice."""
FEWEST = 10
"""So many nodes may always be out."""
EACH = 5
"""The number of nodes that may be out for each upgraded node, whose pods have left it."""


def held(context: GuardContext) -> Iterator[Blocker]:
    """Yields what holds a node whose pods would be evicted twice. A limit of the policy takes the place of this guard."""
    ref, index = context.ref, context.index
    if index.limits.limited(ref) or not context.view.to_drain(ref.name):
        return
    out, upgraded = len(index.wakeups.in_work(ref.cluster)), index.wakeups.upgraded(ref.cluster)
    most = max(FEWEST, index.runs.count_of(ref.cluster) // FIRST, EACH * upgraded)
    if out >= most:
        params: dict[str, str | int] = {"out": out, "upgraded": upgraded, "most": most}
        yield WaitKey("upgraded", ref.cluster), Held(Reason.FIRST_NODES, ref.cluster, params)
