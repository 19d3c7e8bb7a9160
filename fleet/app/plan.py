"""A plan for some pools: what to do, in which order, how long it takes, and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from hashlib import sha256

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from fleet.app.home import Home
from fleet.core.errors import UsageError
from fleet.core.history import rollouts_of, unfinished
from fleet.core.node import NodeRef
from fleet.core.plan import Plan
from fleet.core.policy import Policy
from fleet.core.release import Release
from fleet.core.snapshot import Snapshot
from fleet.core.times import measured


class Undoing(Struct, frozen=True):
    """What a rollback is about."""

    rollout: str
    nodes: frozenset[NodeRef]


def make(
    home: Home,
    pools: Sequence[str],
    version: str,
    snapshots: Sequence[Snapshot],
    lost: Mapping[str, str],
    undoing: Undoing | None = None,
    loosen: bool = False,
) -> Plan:
    """Plans and keeps the plan; nothing is written to any cluster. `undoing`: only those nodes. `loosen`: plans again with
    what binds loosened (`Plan.what_if`).

    `snapshots` are fresh, or the last known of clusters that do not answer, which `lost` names with the reason.
    Without `version` each plan goes to what the pools' stream has as its newest. Raises UsageError for names that
    the policy does not know.
    """
    from fleet.sim.planner import make_plan
    from fleet.sim.whatif import what_if

    policy, _ = home.policy()
    release = find_release(policy, pools, version)
    now = home.now()
    times = measured(home.store.journal.entries(), systems_of(snapshots))
    only = undoing.nodes if undoing is not None else None

    def again(snapshots: Sequence[Snapshot], policy: Policy) -> Plan:
        rollouts = rollouts_of(home.store.journal.entries()).values()
        kept = [each for each in rollouts if not each.active and unfinished(each)]
        return make_plan("", snapshots, policy, pools, release, now, times, lost, kept, only)

    plan = again(snapshots, policy)
    if loosen:
        plan = replace(plan, what_if=what_if(plan, snapshots, lost, times, again))
    plan = replace(plan, rolls_back=undoing.rollout if undoing is not None else "")
    plan = replace(plan, plan_id=_name(plan, now))
    home.store.plans.save(plan)
    return plan


def systems_of(snapshots: Iterable[Snapshot]) -> dict[NodeRef, str]:
    """The operating system of every node whose machine tells it."""
    return {
        NodeRef(snapshot.cluster, machine.name): machine.os
        for snapshot in snapshots
        for machine in snapshot.machines
    }


def find_release(policy: Policy, pools: Sequence[str], version: str) -> Release:
    """Raises UsageError, naming what there is, for a pool or a version that the policy does not have."""
    chosen = []
    for name in pools:
        pool = policy.pool(name)
        if pool is None:
            raise UsageError(
                f"the policy has no pool {name}", _known([each.name for each in policy.pools], name)
            )
        chosen.append(pool)
    if version:
        release = policy.find_release(version)
        if release is None:
            known = [release.version for stream in policy.streams for release in stream.releases]
            raise UsageError(f"no stream of the policy has version {version}", _known(known, version))
        return release
    targets = {target for pool in chosen if (target := policy.target(pool)) is not None}
    if len(targets) != 1:
        raise UsageError("the pools have no one release in common", "--to VERSION names it")
    return targets.pop()


def _known(names: Sequence[str], wanted: str) -> str:
    near = get_close_matches(wanted, names, 1)
    return f"did you mean {near[0]}?" if near else f"it has: {', '.join(names) or 'none'}"


def _name(plan: Plan, now: datetime) -> str:
    """Short, and of its content and time."""
    content = msgspec.json.encode(plan) + now.isoformat().encode()
    return f"p-{sha256(content).hexdigest()[:6]}"
