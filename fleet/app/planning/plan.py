"""Makes a plan for some pools: the actions and their order, how long they take, and the obstacles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from fleet.app.access.allowed import allowed
from fleet.app.planning.controller_pod import controller_pod
from fleet.app.wiring.home import Home
from fleet.app.wiring.names import pool_named, there_is
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.cluster.upgraded_voters import brought
from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import TIMED_KINDS, measured
from fleet.core.planning.plan import Plan
from fleet.core.planning.what_if import WhatIfChange
from fleet.core.policy.access import Role
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import UnwritableError, UsageError
from fleet.core.releases.release import Release
from fleet.core.rollout.goal import StandingStart
from fleet.core.rollout.replay import unfinished
from fleet.store.plans import named

if TYPE_CHECKING:
    from fleet.planner.request import PlanRequest
    from fleet.planner.what_if import Trial

PlanProgress = Callable[[int, int], None]
"""A callback that receives how many runs of a plan have ended, and how many there are."""
Urgency = Mapping[NodeRef, float]


class RollbackScope(Struct, frozen=True):
    """The rollout that a rollback reverses, and the nodes that are brought back."""

    rollout: str
    nodes: frozenset[NodeRef]


class StandingScope(Struct, frozen=True):
    """The standing policy that a plan is for, and the nodes that it upgrades."""

    standing: StandingStart
    nodes: frozenset[NodeRef]


class PlanExtras(Struct, frozen=True):
    """Options of a user beyond a single plan."""

    loosen: bool = False
    """Plans again with the binding constraint loosened (`Plan.what_if`)."""
    effort: float = 0.0
    """Seconds to search for a better order; a plan that would not be finished within them is not begun."""
    progress: Callable[[str], None] = lambda message: None
    """A callback that receives a short description of the current work."""


GREEDY = PlanExtras()


def make(
    home: Home,
    pools: Sequence[str],
    version: str,
    snapshots: Sequence[Snapshot],
    lost: Mapping[str, str],
    scope: RollbackScope | StandingScope | None = None,
    beyond: PlanExtras = GREEDY,
    keep: bool = False,
) -> Plan:
    """Makes a plan and stores it in place of the user's previous plan; nothing is written to any cluster. With `scope` the
    plan has only those nodes, and one for a standing policy is stored in that policy's name. With `keep` the plan stays,
    even when the user makes other plans.

    `snapshots` are fresh, or the last known ones of clusters that do not answer, which `lost` names with the reason.
    Without `version` each plan goes to the newest release of the pools' stream. Raises UsageError for names that the
    policy does not know.
    """
    from fleet.drivers.journal.checkpoints import standing
    from fleet.planner.planner import make_plan
    from fleet.planner.request import PlanRequest
    from fleet.planner.simulate import silent

    caller = allowed(home, Role.OPERATOR if keep else Role.VIEWER, "keep plans")
    policy = home.policy()
    release = find_release(policy, pools, version)
    now = home.now()
    times = measured(home.store.journal.entries(kinds=TIMED_KINDS), systems_of(snapshots))
    rollouts = standing(home.store.journal, home.store.folds).rollouts.values()
    kept = [rollout for rollout in rollouts if not rollout.active and unfinished(rollout)]
    only = scope.nodes if scope is not None else None
    own = controller_pod(home)
    whole = PlanRequest("", snapshots, policy, pools, release, now, times, lost, kept, only, own)

    def of_leg(request: PlanRequest, progress: PlanProgress = silent) -> Plan:
        mine, etcd = deepcopy(kept), brought(rollouts, request.release.version)
        return make_plan(replace(request, kept=mine, brought=etcd), progress)

    plan = planned_path(whole, of_leg, beyond)
    match scope:
        case StandingScope():
            name = key = scope.standing.identity
            plan = replace(plan, standing=scope.standing)
        case _:
            name, key = caller.identity.name, caller.key
            plan = replace(plan, rolls_back=scope.rollout if scope is not None else "")
    plan = replace(plan, by=name)
    try:
        return home.store.plans.save(plan, "" if keep else key)
    except UnwritableError as error:
        if keep:
            raise
        home.warn(f"the plan is not stored, and cannot be started: {error.message}")
        return named(plan)


def planned_path(
    request: PlanRequest, make: Callable[[PlanRequest, PlanProgress], Plan], beyond: PlanExtras
) -> Plan:
    """Returns the plan of the requested release. Where nodes have to boot other releases before, it is the plan of the
    first of the rollouts that this takes, and has the times of all of them."""
    from fleet.planner.hops import hops_of, leg_request, legs_of
    from fleet.planner.simulate import silent

    legs = legs_of(request)
    first = leg_request(request, legs[0]) if legs else request

    plan = planned(first, make, beyond)
    if not legs:
        return plan
    beyond.progress(f"planning {len(legs)} rollouts, one after another")
    return replace(plan, hops=hops_of(plan, legs, request, lambda leg: make(leg, silent)))


def planned(
    request: PlanRequest, make: Callable[[PlanRequest, PlanProgress], Plan], beyond: PlanExtras
) -> Plan:
    """Returns the plan that `make` makes, with the extras. What-if plans are compared without the order search on
    either side."""
    from fleet.planner.simulate import silent

    def telling(what: str) -> PlanProgress:
        return lambda ended, runs: beyond.progress(f"{what}: {ended:,} of {runs:,} nodes")

    def ordered(urgency: Urgency) -> Plan:
        return make(replace(request, urgency=urgency), telling("searching for a better order"))

    began = monotonic()
    first = plan = make(request, telling("planning"))
    took = monotonic() - began
    if beyond.effort:
        from fleet.planner.order_search import search_order

        until = monotonic() + beyond.effort
        plan = search_order(first, ordered, lambda best: monotonic() + took < until)
    if beyond.loosen:
        from fleet.planner.what_if import what_if

        others = partial(_loosened_plans, beyond.progress)
        found = what_if(first, request, lambda loosened: make(loosened, silent), others)
        plan = replace(plan, what_if=found)
    return plan


def _loosened_plans(report: Callable[[str], None], trials: Sequence[Trial]) -> Sequence[WhatIfChange]:
    """Makes the plans in parallel, and reports how many are made."""
    from fleet.planner.parallel import at_once, side_by_side

    def tell(count: int) -> None:
        report(f"planning again with constraints loosened: {count} of {len(trials)} plans")

    tell(0)
    return side_by_side(trials, at_once(), tell)


def systems_of(snapshots: Iterable[Snapshot]) -> dict[NodeRef, str]:
    """Returns the operating system of every node whose machine reports one."""
    return {
        NodeRef(snapshot.cluster, machine.name): machine.os
        for snapshot in snapshots
        for machine in snapshot.machines
    }


def the_pool(policy: Policy) -> tuple[str, ...]:
    """Returns the only pool of the policy, which a user need not name. Raises UsageError where there are several."""
    names = tuple(pool.name for pool in policy.pools)
    if len(names) > 1:
        raise UsageError(f"which pool? The policy has {', '.join(names)}", "fleet plan --pool POOL")
    return names


def find_release(policy: Policy, pools: Sequence[str], version: str) -> Release:
    """Returns the release of that version, or the newest. Raises UsageError with the known names for a pool or a
    version that the policy does not have."""
    chosen = [pool_named(policy, name) for name in pools]
    if version:
        release = policy.find_release(version)
        if release is None:
            known = [release.version for stream in policy.streams for release in stream.releases]
            raise UsageError(f"no stream of the policy has version {version}", there_is(known, version))
        return release
    targets = {target for pool in chosen if (target := policy.target(pool)) is not None}
    if len(targets) != 1:
        raise UsageError("the pools have no release in common", "choose one with --to VERSION")
    return targets.pop()
