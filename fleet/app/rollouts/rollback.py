"""Plans a rollback: the nodes that a rollout has upgraded are brought back to the release that they ran before.

The plan is an ordinary plan to an older release: started like any other, through the same guards, canaries first. One
plan goes to one release, so nodes that came from several releases are brought back by as many rollouts, one after the
other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fleet.app.planning.plan import RollbackScope, make
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import refresh
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.node import NodeRef
from fleet.core.planning.plan import Plan
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import HeldError, UsageError
from fleet.core.releases.release import is_release
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import RolloutState


def rollback(home: Home, ident: str, version: str = "") -> Plan:
    """Plans the rollback of a rollout. `version`: only the nodes that came from that version; required where they came
    from several.

    Raises HeldError while the rollout is active, or where none of its nodes is left to bring back; UsageError where
    the nodes did not come from the version, or no stream of the policy has it.
    """
    rollout = Rollouts.load(home.store).named(ident)
    refuse_active(rollout)
    policy = home.policy()
    known = [row.name for row in home.store.clusters.list()]
    names = [name for name in dict.fromkeys(ref.cluster for ref in rollout.runs) if name in known]
    if not names:
        raise HeldError(f"no cluster of rollout {ident} is in the fleet any more", "fleet cluster list")
    seen = refresh(home, names)
    snapshots = (*seen.fresh, *seen.old)
    came_from: dict[str, set[NodeRef]] = {}
    for ref in upgraded(rollout, snapshots):
        came_from.setdefault(rollout.runs[ref].goal.from_version, set()).add(ref)
    before = choose(rollout, came_from, version)
    if policy.find_release(before) is None:
        raise UsageError(
            f"no stream of the policy has {before}, which the nodes of {ident} ran before",
            "add the release (version, digest, kernel) to a stream of fleet.yaml",
        )
    nodes = frozenset(came_from[before])
    pools = pools_of(policy, snapshots, nodes)
    if not pools:
        raise HeldError(f"the nodes of {ident} are in no pool any more", "add a pool for them to fleet.yaml")
    return make(home, pools, before, snapshots, seen.lost, RollbackScope(ident, nodes))


def refuse_active(rollout: Rollout) -> None:
    """Raises HeldError while the rollout is active: the upgrade and the rollback would work on the same nodes."""
    if not rollout.active:
        return
    aborted = rollout.state is RolloutState.ABORTED
    raise HeldError(
        f"rollout {rollout.id} is {rollout.state}: what it has begun is not finished",
        f"fleet rollout status {rollout.id} --watch" if aborted else f"fleet rollout abort {rollout.id}",
    )


def upgraded(rollout: Rollout, snapshots: Sequence[Snapshot]) -> Iterator[NodeRef]:
    """Yields the nodes that the rollout has rebooted and that run its release now, including those of failed runs."""
    for snapshot in snapshots:
        machines = {machine.name: machine for machine in snapshot.machines}
        for node in snapshot.nodes:
            ref = NodeRef(snapshot.cluster, node.name)
            run, machine = rollout.runs.get(ref), machines.get(node.name)
            if run is None or machine is None or not run.boot_id or node.uid != run.goal.uid:
                continue
            if is_release(machine.booted, rollout.release):
                yield ref


def choose(rollout: Rollout, came_from: Mapping[str, set[NodeRef]], version: str) -> str:
    """Returns the version to go back to. Raises HeldError where there is none, and UsageError where the user has to
    name one."""
    known = {version: refs for version, refs in came_from.items() if version}
    if not known:
        raise HeldError(
            f"no node runs {rollout.release.version} because of rollout {rollout.id}", "fleet status"
        )
    versions = ", ".join(f"{known_version} ({len(refs)})" for known_version, refs in sorted(known.items()))
    if version and version not in known:
        raise UsageError(f"no node of {rollout.id} came from {version}", f"they came from: {versions}")
    if not version and len(known) > 1:
        first = min(known, key=lambda known_version: (-len(known[known_version]), known_version))
        raise UsageError(
            f"the nodes of {rollout.id} came from several versions: {versions}",
            f"roll them back one after the other: fleet rollout rollback {rollout.id} --to {first}",
        )
    return version or next(iter(known))


def pools_of(policy: Policy, snapshots: Sequence[Snapshot], nodes: frozenset[NodeRef]) -> list[str]:
    found = (
        policy.pool_of(snapshot.cluster, node)
        for snapshot in snapshots
        for node in snapshot.nodes
        if NodeRef(snapshot.cluster, node.name) in nodes
    )
    return list(dict.fromkeys(pool.name for pool in found if pool is not None))


def forward_again(plan: Plan) -> list[str]:
    """Returns the pools for which the policy still has another release: their next plan would reverse this one."""
    wanted = ((pool.name, plan.policy.target(pool)) for pool in plan.policy.pools if pool.name in plan.pools)
    return [name for name, target in wanted if target is not None and not is_release(target, plan.target)]
