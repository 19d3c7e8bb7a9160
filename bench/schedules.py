"""Compares fleet's plan with the tools in use today and with the lower bound, and executes the plan where nothing takes as
long as expected.

    python -m bench.schedules [--large] [--nodes N ...] [--shapes NAME ...] [--json FILE]

Every case runs in its own process, so that its memory is measured separately.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from random import Random
from time import process_time

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from bench.fleets import NEW, SHAPES, START, make, policy
from bench.memory import most_resident
from bench.rivals import Player, Rival, rivals, with_images
from bench.spreads import spread, usual_start
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.engine.engine import Engine
from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.rollout.event import ClusterSynced, Upserted
from fleet.core.rollout.rollout import Rollout
from fleet.model.model import Model
from fleet.planner.expectations import expected
from fleet.planner.order_search import search_order
from fleet.planner.planner import make_plan
from fleet.planner.recorder import PlanRecorder
from fleet.planner.request import PlanRequest
from fleet.planner.simulate import simulate

SIZES = (300, 1000, 3000)
LARGE = (10000, 30000)
LIMITS = (50, 100, 500, None)
ORDERS = 12
SEARCHED = 1000
"""The largest number of nodes for which a search is shown."""
COMPARED = 100
"""The limit at which the other tools are compared."""
HEAD = (
    *("NODES", "SHAPE", "POLICY", "TAKES", "RATIO", "SPREAD", "RATIO", "/PLAN"),
    *("EVICTIONS", "PEAK", "SECONDS", "MEMORY"),
)
"""TAKES: hours if everything takes as long as expected. RATIO: to the lower bound of that fleet and limit. SPREAD: hours
with spread times, with the ratios to the lower bound at their medians and to the plan's makespan. EVICTIONS: for each pod
that had to move. SECONDS: CPU seconds of planning, in one thread. MEMORY: peak in MB, the fleet itself included."""


class Row(Struct, frozen=True):
    nodes: int
    shape: str
    policy: str
    limit: int | None
    makespan: float
    """Seconds."""
    bound: float
    """0: none was computed."""
    bound_by: str
    spread: float
    """The makespan in seconds with spread times."""
    predicted: float
    """The makespan that a plan predicts which knows the median start of every app; 0: there is no plan."""
    spread_bound: float
    """The lower bound in seconds at these medians."""
    evictions: float
    """Evictions for each pod that had to move."""
    peak: int
    seconds: float
    """CPU seconds of making the plan; of other tools, of simulating them once."""
    memory: float
    """The process's peak memory in MB."""


def fleet_case(shape: str, count: int, limit: int | None, orders: int = 0) -> Row:
    """Plans with fleet, and executes the plan. `orders`: the number of further orders that the search tries. A number, not
    seconds, gives the same result on every machine."""
    snapshot = make(shape, count)
    began = process_time()
    plan = _planned(snapshot, limit, DurationEstimates(), orders)
    seconds = process_time() - began
    if plan.held:
        raise RuntimeError(f"held: {plan.held[0]}")
    memory = most_resident()
    times = replace(DurationEstimates(), apps={name: usual_start(name) for name in _apps(snapshot)})
    informed = _planned(snapshot, limit, times, orders)
    named = f"fleet, {'limit ' + str(limit) if limit else 'no limit'}"
    return Row(
        nodes=count,
        shape=shape,
        policy=f"{named}, {orders} orders more" if orders else named,
        limit=limit,
        makespan=plan.makespan_seconds,
        bound=plan.lower_bound_seconds,
        bound_by=plan.bound_by,
        spread=_executed(informed, snapshot),
        predicted=informed.makespan_seconds,
        spread_bound=informed.lower_bound_seconds,
        evictions=plan.evictions / plan.pods,
        peak=plan.peak_unavailable,
        seconds=seconds,
        memory=memory,
    )


def _planned(snapshot: Snapshot, limit: int | None, times: DurationEstimates, orders: int) -> Plan:
    def replan(urgency: Mapping[NodeRef, float]) -> Plan:
        chosen = policy(limit)
        return make_plan(
            PlanRequest("bench", [snapshot], chosen, ["workers"], NEW, START, times, urgency=urgency)
        )

    left = iter(range(orders))
    first = replan({})
    return search_order(first, replan, lambda best: next(left, None) is not None) if orders else first


def _executed(plan: Plan, snapshot: Snapshot) -> float:
    """Runs the same engine on a cluster with spread times. Returns the seconds until the last run has ended."""
    engine = Engine({snapshot.cluster: snapshot.site})
    for obj in snapshot.objects():
        engine.observe(Upserted(snapshot.cluster, obj), START)
    engine.observe(ClusterSynced(snapshot.cluster, snapshot.server_version), START)
    rollout = Rollout("bench", plan.begin(), START, "bench")
    engine.add(rollout)
    simulate(
        engine,
        {snapshot.cluster: Model.from_snapshot(snapshot, spread(), Random(1))},
        PlanRecorder(),
        START,
    )
    if rollout.remaining or rollout.ended_at is None:
        raise RuntimeError(f"{rollout.remaining} runs have not ended: {rollout.why}")
    return (rollout.ended_at - START).total_seconds()


def _apps(snapshot: Snapshot) -> set[str]:
    return {f"{pod.namespace}/{pod.owner.name}" for pod in snapshot.pods if pod.owner}


def rival_case(shape: str, count: int, rival: Rival, bound: float, spread_bound: float) -> Row:
    snapshot = make(shape, count)
    began = process_time()
    behaviours = (expected(DurationEstimates()), spread())
    started = with_images(snapshot) if rival.staged else snapshot
    even, uneven = (
        Player(rival, started, Model.from_snapshot(started, behaviour, Random(1))).play()
        for behaviour in behaviours
    )
    return Row(
        nodes=count,
        shape=shape,
        policy=rival.name,
        limit=rival.limit(count),
        makespan=even.makespan,
        bound=bound if rival.limit(count) == COMPARED else 0.0,
        bound_by="",
        spread=uneven.makespan,
        predicted=0.0,
        spread_bound=spread_bound if rival.limit(count) == COMPARED else 0.0,
        evictions=even.evictions / len(snapshot.pods),
        peak=even.peak,
        seconds=(process_time() - began) / 2,
        memory=most_resident(),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.schedules", description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="10,000 nodes too, and 30,000 with fleet alone")
    parser.add_argument("--nodes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument(
        "--limits", type=int, nargs="+", default=[shown or 0 for shown in LIMITS], help="0: none"
    )
    parser.add_argument("--json", type=Path, help="write the rows there too")
    chosen = parser.parse_args(arguments)
    sizes = [*chosen.nodes, *(LARGE if chosen.large else ())]
    rows: list[Row] = []
    print(_line(HEAD))
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        for count in sizes:
            for shape in chosen.shapes:
                bounds = 0.0, 0.0
                for limit in (share or None for share in chosen.limits):
                    rows.append(pool.submit(fleet_case, shape, count, limit).result())
                    if limit == COMPARED:
                        bounds = rows[-1].bound, rows[-1].spread_bound
                    _print_row(rows[-1])
                if count <= SEARCHED:
                    rows.append(pool.submit(fleet_case, shape, count, COMPARED, ORDERS).result())
                    _print_row(rows[-1])
                for rival in rivals(COMPARED) if count < LARGE[1] else ():
                    rows.append(pool.submit(rival_case, shape, count, rival, *bounds).result())
                    _print_row(rows[-1])
    if chosen.json:
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1))


def _print_row(row: Row) -> None:
    cells = (
        f"{row.nodes:,}",
        row.shape,
        row.policy,
        f"{row.makespan / 3600:.2f} h",
        f"{row.makespan / row.bound:.2f}" if row.bound else "-",
        f"{row.spread / 3600:.2f} h",
        f"{row.spread / row.spread_bound:.2f}" if row.spread_bound else "-",
        f"{row.spread / row.predicted:.2f}" if row.predicted else "-",
        f"{row.evictions:.2f}",
        str(row.peak),
        f"{row.seconds:.1f}",
        f"{row.memory:.0f}",
    )
    print(_line(cells), row.bound_by, flush=True)


def _line(cells: Sequence[str]) -> str:
    widths = (6, 6, 31, 9, 5, 9, 5, 5, 9, 5, 7, 6)
    return "  ".join(
        cell.ljust(width) if index in (1, 2) else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )


if __name__ == "__main__":
    main()
