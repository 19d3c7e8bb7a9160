"""Clusters of the fleet: added, checked, claimed, removed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from fleet.app.wiring.actor import actor
from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import keep
from fleet.app.wiring.sources.registry import source_of
from fleet.app.wiring.sources.source import ClaimResult, Inspection
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.linting.rebooters import Rebooter, rebooters
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import FleetError, HeldError, UsageError
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import HostsClaimed

if TYPE_CHECKING:
    from fleet.store import ClusterRow


class ClusterCheck(Struct, frozen=True):
    """What one look at a cluster found."""

    name: str
    sites: tuple[str, ...]
    version: str
    nodes: int
    pods: int
    budgets: int
    machines: int
    """Nodes whose agent has reported."""
    pools: dict[str, int] = {}
    """Nodes by pool of the policy."""
    poolless: int = 0
    missing: tuple[str, ...] = ()
    """RBAC rules that fleet needs and has not, in words."""
    unread: dict[str, str] = {}
    """Kinds that could not be read, and why, of those that fleet can live without."""
    uid: str = ""
    policy: bool = True
    """There is a policy, so that nodes can be in pools."""
    hosts: bool = False
    """Hosts without a cluster."""
    unreached: dict[str, str] = {}
    """Of these: those that were not reached, and why."""
    rebooters: tuple[Rebooter, ...] = ()
    """Others that run there and reboot nodes."""


def add(home: Home, name: str, kubeconfig: Path | None, context: str, sites: Sequence[str]) -> ClusterCheck:
    """Reads a Kubernetes cluster once and adds it to the fleet. Raises FleetError, and adds nothing, where it gives no
    answer. `kubeconfig` and `context`: as `sources.kubeconfig.new_row` has them."""
    from fleet.app.wiring.sources.kubeconfig import new_row

    _refuse_taken(home, name)
    return _add(home, new_row(name, kubeconfig, context, sites))


def add_hosts(home: Home, name: str, inventory: Path, sites: Sequence[str]) -> ClusterCheck:
    """Adds hosts without a cluster, as `add`. Raises FleetError, and adds nothing, where none of them is reached."""
    from fleet.app.wiring.sources.hosts import new_row

    _refuse_taken(home, name)
    return _add(home, new_row(name, inventory, sites))


def _refuse_taken(home: Home, name: str) -> None:
    """Raises UsageError for a name that no cluster can have, or that one of the fleet has."""
    if name in ("", ".", "..") or "/" in name:
        raise UsageError(f"a cluster cannot be called {name!r}", "choose a name without a slash")
    if home.exists and any(row.name == name for row in home.store.clusters.list()):
        raise UsageError(f"cluster {name} is in the fleet already", "fleet cluster check looks at it again")


def _add(home: Home, row: ClusterRow) -> ClusterCheck:
    found, snapshot = _inspect(home, row)
    home.make().clusters.add(replace(row, uid=found.uid))
    keep(home, snapshot)
    return found


def check(home: Home, name: str) -> ClusterCheck:
    """Reaches a cluster of the fleet and keeps what was found. Raises FleetError where the cluster gives no answer,
    and keeps the reason."""
    row = home.store.clusters.get(name)
    try:
        found, snapshot = _inspect(home, row)
    except FleetError as error:
        with home.by_the_way():
            home.store.clusters.touch(name, at=home.now(), error=error.reason)
        raise
    if row.uid and found.uid and row.uid != found.uid:
        raise FleetError(
            f"{name} is another cluster than the one that was added: its kube-system has uid {found.uid}, not {row.uid}",
            f"fleet cluster remove {name}, then add it again",
        )
    with home.by_the_way():
        keep(home, snapshot)
    return found


def _inspect(home: Home, row: ClusterRow) -> tuple[ClusterCheck, Snapshot]:
    policy, source = home.policy_if_any(), source_of(home, row)
    seen = asyncio.run(source.inspect(policy))
    return checked(row, seen, policy, hosts_alone=source.hosts_alone), seen.snapshot


def checked(row: ClusterRow, seen: Inspection, policy: Policy, *, hosts_alone: bool = False) -> ClusterCheck:
    """Counts what one look found, with the nodes by pool of the policy."""
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
    """Removes a cluster from the fleet; nothing is done to the cluster. Raises UsageError where the fleet has none of
    that name, HeldError while a rollout works there."""
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
    """Makes all hosts of a cluster of hosts this fleet's, and returns the result by host. The command is journaled first.

    Raises UsageError, and writes nothing, for a cluster whose Lease says whose it is.
    """
    claimer = source_of(home, home.store.clusters.get(name)).claimer()
    claimed = HostsClaimed(cluster=name, reason=reason)
    home.store.journal.append([to_record(claimed)], at=home.now(), actor=actor())
    return asyncio.run(claimer())
