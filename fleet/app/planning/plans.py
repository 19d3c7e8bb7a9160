"""Makes plans from fresh reads of the clusters, and finds stored plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fleet.app.planning.plan import GREEDY, PlanExtras, make, the_pool
from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import refresh
from fleet.core.planning.plan import Plan
from fleet.core.records.errors import HeldError, UsageError

if TYPE_CHECKING:
    from fleet.store.plans import PlanRow


def plan(
    home: Home, pools: Sequence[str], version: str, beyond: PlanExtras = GREEDY, keep: bool = False
) -> Plan:
    """Reads all clusters, makes a plan and stores it (see `make`). Nothing is written to any cluster. Without `pools`
    the plan is for the only pool of the policy.

    Raises UsageError without a cluster, HeldError where none gives an answer.
    """
    if not home.store.clusters.list():
        raise UsageError(
            "there is no cluster yet",
            "fleet cluster import adds those of your kubeconfig, fleet cluster add a single one",
        )
    pools = pools or the_pool(home.policy())
    beyond.progress("reading the clusters")
    seen = refresh(home)
    if not seen.fresh:
        name, why = next(iter(seen.lost.items()))
        raise HeldError(f"no cluster answers: {name}: {why}", f"fleet cluster check {name}")
    return make(home, pools, version, (*seen.fresh, *seen.old), seen.lost, beyond=beyond, keep=keep)


def stored(home: Home, name: str) -> Plan:
    """Returns the plan of that id or prefix; without a name the newest. Raises UsageError where there is none."""
    if not name:
        rows = newest_first(home)
        if not rows:
            raise UsageError("there is no plan yet", "fleet plan --pool POOL --to VERSION")
        name = rows[0].plan_id
    return home.store.plans.get(name)


def newest_first(home: Home) -> list[PlanRow]:
    return home.store.plans.list()
