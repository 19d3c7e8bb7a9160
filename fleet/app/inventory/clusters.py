"""Clusters of the fleet: adds, checks, claims and removes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from fleet.app.access.allowed import allowed
from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import keep
from fleet.app.wiring.sources.registry import source_of
from fleet.app.wiring.sources.source import ClaimResult, Inspection
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.linting.rebooters import Rebooter, rebooters
from fleet.core.policy.access import Role
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import FleetError, HeldError, UsageError
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import HostsClaimed
from fleet.system.event_loop import result_of

if TYPE_CHECKING:
    from fleet.store import ClusterRow


class ClusterCheck(Struct, frozen=True):
    """The result of one check of a cluster."""

    name: str
    sites: tuple[str, ...]
    version: str
    nodes: int
    pods: int
    budgets: int
    machines: int
    """How many nodes have an agent that has reported."""
    pools: dict[str, int] = {}
    """How many nodes each pool of the policy has."""
    poolless: int = 0
    missing: tuple[str, ...] = ()
    """RBAC rules that fleet needs and does not have, as text."""
    unread: dict[str, str] = {}
    """Optional kinds of objects that could not be read, and why."""
    uid: str = ""
    policy: bool = True
    """True if there is a policy, so that nodes can be in pools."""
    hosts: bool = False
    """True if the cluster consists of hosts without a Kubernetes cluster."""
    unreached: dict[str, str] = {}
    """Hosts without a cluster that were not reached, and why."""
    rebooters: tuple[Rebooter, ...] = ()
    """Other programs in the cluster that reboot nodes."""


def add(home: Home, name: str, kubeconfig: Path | None, context: str, sites: Sequence[str]) -> ClusterCheck:
    """Reads a Kubernetes cluster once and adds it to the fleet. Raises FleetError, and adds nothing, where the cluster
    does not answer. `kubeconfig` and `context` are as in `sources.kubeconfig.new_row`."""
    from fleet.app.wiring.sources.kubeconfig import new_row

    _refuse_taken(home, name)
    return admit(home, new_row(name, kubeconfig, context, sites))


def add_hosts(home: Home, name: str, inventory: Path, sites: Sequence[str]) -> ClusterCheck:
    """Adds hosts without a cluster, as `add` does. Raises FleetError, and adds nothing, where none of the hosts is
    reached."""
    from fleet.app.wiring.sources.hosts import new_row

    _refuse_taken(home, name)
    return admit(home, new_row(name, inventory, sites))


def _refuse_taken(home: Home, name: str) -> None:
    """Raises NotAllowedError for a user who may not add clusters, and UsageError for a name that is not allowed, or that
    another cluster of the fleet has."""
    allowed(home, Role.ADMIN, "add clusters")
    if name in ("", ".", "..") or "/" in name:
        raise UsageError(f"a cluster cannot have the name {name!r}", "choose a name without a slash")
    if home.exists and any(row.name == name for row in home.store.clusters.list()):
        raise UsageError(f"cluster {name} is in the fleet already", "fleet cluster check checks it again")


def admit(home: Home, row: ClusterRow) -> ClusterCheck:
    """Reads a cluster once and adds it to the fleet; the caller has checked that the user may. Raises FleetError, and
    adds nothing, where the cluster does not answer."""
    found, snapshot = _inspect(home, row)
    home.make().clusters.add(replace(row, uid=found.uid))
    keep(home, snapshot)
    return found


def check(home: Home, name: str) -> ClusterCheck:
    """Connects to a cluster of the fleet and stores what was found. Raises FleetError where the cluster does not
    answer, and stores the reason."""
    row = home.store.clusters.get(name)
    try:
        found, snapshot = _inspect(home, row)
    except FleetError as error:
        with home.best_effort_write():
            home.store.clusters.touch(name, at=home.now(), error=error.reason)
        raise
    if row.uid and found.uid and row.uid != found.uid:
        raise FleetError(
            f"{name} is not the cluster that was added: its kube-system has uid {found.uid}, not {row.uid}",
            f"fleet cluster remove {name}, then add it again",
        )
    with home.best_effort_write():
        keep(home, snapshot)
    return found


def _inspect(home: Home, row: ClusterRow) -> tuple[ClusterCheck, Snapshot]:
    policy, source = home.policy_if_any(), source_of(home, row)
    seen = result_of(source.inspect(policy))
    return checked(row, seen, policy, hosts_alone=source.hosts_alone), seen.snapshot


def checked(row: ClusterRow, seen: Inspection, policy: Policy, *, hosts_alone: bool = False) -> ClusterCheck:
    """Counts the objects of one inspection, with the nodes by pool of the policy."""
    snapshot = seen.snapshot
    pools = Counter(
        pool.name if pool else "" for pool in (policy.pool_of(row.name, node) for node in snapshot.nodes)
    )
    return ClusterCheck(
        name=row.name,
        sites=row.sites,
        version=snapshot.server_version,
        nodes=len(snapshot.nodes),
        pods=len(snapshot.pods),
        budgets=len(snapshot.budgets),
        machines=sum(machine.reported for machine in snapshot.machines),
        pools={pool.name: pools[pool.name] for pool in policy.pools if pools[pool.name]},
        poolless=pools[""],
        missing=seen.missing_rules,
        unread=seen.unread,
        uid=seen.uid,
        policy=bool(policy.pools),
        hosts=hosts_alone,
        unreached=seen.unreached,
        rebooters=rebooters(snapshot),
    )


def remove(home: Home, name: str) -> None:
    """Removes a cluster from the fleet; the cluster itself is not changed. Raises UsageError where the fleet has none
    of that name, HeldError while a rollout works there."""
    allowed(home, Role.ADMIN, "remove clusters")
    row = home.store.clusters.get(name)
    refuse_at_work(home, row.name)
    home.store.clusters.remove(row.name, at=home.now())


def refuse_at_work(home: Home, name: str) -> None:
    """Raises HeldError while a rollout works on the cluster."""
    from fleet.app.rollouts.rollouts import Rollouts

    for rollout in Rollouts.load(home.store).active:
        if any(ref.cluster == name for ref in rollout.runs):
            raise HeldError(
                f"rollout {rollout.id} works on {name}", f"wait for it, or: fleet rollout abort {rollout.id}"
            )


def claim(home: Home, name: str, reason: str) -> dict[str, ClaimResult]:
    """Claims all hosts of a cluster of hosts for this fleet, and returns the result by host. The command is journaled
    first.

    Raises UsageError, and writes nothing, for a Kubernetes cluster, whose owner its Lease names.
    """
    caller = allowed(home, Role.ADMIN, "claim hosts")
    claimer = source_of(home, home.store.clusters.get(name)).claimer()
    claimed = HostsClaimed(cluster=name, reason=reason)
    home.store.journal.append([to_record(claimed)], at=home.now(), actor=caller.actor)
    return result_of(claimer())
