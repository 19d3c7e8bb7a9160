"""Clusters of the fleet: added, checked, claimed, removed."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from fleet.app.wiring.connection import hosts_of, opened
from fleet.app.wiring.home import Home, person
from fleet.app.wiring.quorums import with_quorums
from fleet.app.wiring.refresh import keep, read, read_hosts, reason
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.linting.rebooters import Rebooter, rebooters
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import FleetError, ForbiddenError, HeldError, UsageError
from fleet.core.records.journal import JournalRecord
from fleet.core.text.paths import expanded
from fleet.core.text.untrusted import UnreadableError, decode

if TYPE_CHECKING:
    from fleet.kube.cluster import KubeCluster
    from fleet.store import ClusterRow


class Found(Struct, frozen=True):
    """What one look at a cluster says."""

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
    simulated: bool = False
    uid: str = ""
    policy: bool = True
    """There is a policy, so that nodes can be in pools."""
    hosts: bool = False
    """Hosts without a cluster."""
    unreached: dict[str, str] = {}
    """Of these: those that were not reached, and why."""
    rebooters: tuple[Rebooter, ...] = ()
    """Others that run there and reboot nodes."""


def add(home: Home, name: str, kubeconfig: Path | None, context: str, sites: Sequence[str]) -> Found:
    """Reads the cluster once and keeps it. Raises FleetError, and keeps nothing, where it does not answer.

    `kubeconfig` None: what kubectl reads, the files of KUBECONFIG or ~/.kube/config. Their paths are kept, and the name of
    the context: whoever makes another one the current one later makes no other cluster of this one.
    """
    from fleet.kube.kubeconfig import contexts
    from fleet.store import ClusterRow

    _addable(home, name)
    if kubeconfig is not None:
        files: tuple[Path, ...] = (expanded(kubeconfig).absolute(),)
    else:
        files = contexts.of_environment(os.environ, Path.home())
        if not any(each.exists() for each in files):
            raise UsageError(
                f"how is {name} reached? There is no kubeconfig at {' or '.join(map(str, files))}",
                "--kubeconfig FILE (and --context), KUBECONFIG in the environment, or --hosts FILE",
            )
    used = contexts.read(files, context).context
    row = ClusterRow(name=name, sites=tuple(sites), kubeconfig="\n".join(map(str, files)), context=used)
    return _add(home, row)


def add_hosts(home: Home, name: str, inventory: Path, sites: Sequence[str]) -> Found:
    """Hosts without a cluster, as `add`. Raises FleetError, and keeps nothing, where none of them is reached."""
    from fleet.store import ClusterRow

    _addable(home, name)
    path = str(expanded(inventory).absolute())
    return _add(home, ClusterRow(name=name, sites=tuple(sites), kind="hosts", kubeconfig=path))


def _addable(home: Home, name: str) -> None:
    if name in ("", ".", "..") or "/" in name:
        raise UsageError(f"a cluster cannot be called {name!r}", "choose a name without a slash")
    if home.exists and any(row.name == name for row in home.store.clusters.list()):
        raise UsageError(f"cluster {name} is in the fleet already", "fleet cluster check looks at it again")


def _add(home: Home, row: ClusterRow) -> Found:
    found, snapshot = _inspect(home, row)
    home.make().clusters.add(replace(row, uid=found.uid))
    keep(home, snapshot)
    return found


def check(home: Home, name: str) -> Found:
    """Reaches a cluster of the fleet. Raises FleetError where it does not answer, and keeps why."""
    row = home.store.clusters.get(name)
    try:
        found, snapshot = _inspect(home, row)
    except FleetError as error:
        with home.by_the_way():
            home.store.clusters.touch(name, at=home.now(), error=reason(name, error))
        raise
    if row.uid and found.uid and row.uid != found.uid:
        raise FleetError(
            f"{name} is another cluster than the one that was added: its kube-system has uid {found.uid}, not {row.uid}",
            f"fleet cluster remove {name}, then add it again",
        )
    with home.by_the_way():
        keep(home, snapshot)
    return found


def _inspect(home: Home, row: ClusterRow) -> tuple[Found, Snapshot]:
    policy = home.policy_if_any()
    if row.kind == "simulated":
        snapshot = asyncio.run(read(home, row, policy))
        if isinstance(snapshot, FleetError):
            raise snapshot
        return found_in(row.name, row.sites, snapshot, policy, simulated=True), snapshot
    if row.kind == "hosts":
        snapshot, unreached = asyncio.run(read_hosts(home, row, policy))
        found = found_in(row.name, row.sites, snapshot, policy)
        return replace(found, hosts=True, unreached=unreached), snapshot
    return asyncio.run(_inspect_real(home, row, policy))


async def _inspect_real(home: Home, row: ClusterRow, policy: Policy) -> tuple[Found, Snapshot]:
    async with opened(row) as cluster:
        missing = await cluster.forbidden(policy.remote)
        unreadable = [each for each in missing if each.resource in ("nodes", "pods") and "list" in each.verbs]
        if unreadable:
            raise ForbiddenError(
                f"{row.name} does not let fleet list {' and '.join(each.resource for each in unreadable)}",
                "; ".join(rule(each) for each in unreadable),
            )
        reading = await cluster.read(row.site, home.now())
        snapshot = await with_quorums(reading.snapshot, cluster, policy)
        return (
            found_in(
                row.name,
                row.sites,
                snapshot,
                policy,
                missing=tuple(f"{rule(each)}: {each.why}" for each in missing),
                unread=reading.missing,
                uid=await _uid(cluster),
            ),
            snapshot,
        )


def rule(permission: Any) -> str:
    """An RBAC rule by name: `list, watch pods.policy in fleet-system`, `get /readyz/etcd`."""
    group = f".{permission.group}" if permission.group else ""
    place = f" in namespace {permission.namespace}" if permission.namespace else ""
    return f"{', '.join(permission.verbs)} {permission.url or permission.resource}{group}{place}"


async def _uid(cluster: KubeCluster) -> str:
    """Of the namespace kube-system; empty where fleet may not see it."""
    from fleet.kube.objects.errors import ApiRequest
    from fleet.kube.objects.wire import ObjectWire

    path = "/api/v1/namespaces/kube-system"
    try:
        body = await cluster.transport.call(ApiRequest(verb="get", path=path, resource="namespaces"))
    except ForbiddenError:
        return ""
    try:
        return decode(body, ObjectWire).metadata.uid
    except UnreadableError as error:
        raise FleetError(f"the namespace kube-system cannot be read: {error}") from None


def found_in(
    name: str,
    sites: Sequence[str],
    snapshot: Snapshot,
    policy: Policy,
    *,
    missing: Sequence[str] = (),
    unread: Mapping[str, str] | None = None,
    uid: str = "",
    simulated: bool = False,
) -> Found:
    pools = Counter(
        pool.name if pool else "" for pool in (policy.pool_of(name, node) for node in snapshot.nodes)
    )
    return Found(
        name=name,
        sites=tuple(sites),
        version=snapshot.server_version,
        nodes=len(snapshot.nodes),
        pods=len(snapshot.pods),
        budgets=len(snapshot.budgets),
        machines=sum(machine.reported for machine in snapshot.machines),
        pools={pool.name: pools[pool.name] for pool in policy.pools if pools[pool.name]},
        poolless=pools[""],
        missing=tuple(missing),
        unread=dict(unread or {}),
        simulated=simulated,
        uid=uid,
        policy=bool(policy.pools),
        rebooters=rebooters(snapshot),
    )


def remove(home: Home, name: str) -> None:
    """Raises UsageError where the fleet has none, HeldError while a rollout works there."""
    row = home.store.clusters.get(name)
    refuse_at_work(home, row.name)
    home.store.clusters.remove(row.name, at=home.now())


def refuse_at_work(home: Home, name: str) -> None:
    from fleet.app.rollouts.rollouts import Rollouts

    for rollout in Rollouts.load(home.store).active:
        if any(ref.cluster == name for ref in rollout.runs):
            raise HeldError(
                f"rollout {rollout.id} works on {name}", f"wait for it, or: fleet rollout abort {rollout.id}"
            )


def claim(home: Home, name: str, reason: str) -> dict[str, str]:
    """Makes all hosts of a cluster of hosts this fleet's: what was done or why not, by host. Journaled first."""
    row = home.store.clusters.get(name)
    if row.kind != "hosts":
        raise UsageError(f"{name} is a cluster: its Lease says whose it is", "fleet cluster check " + name)
    detail = {"cluster": name} | ({"reason": reason} if reason else {})
    home.store.journal.append(
        [JournalRecord("command", "claim", detail=detail)], at=home.now(), actor=person()
    )
    return asyncio.run(hosts_of(home, row).claim())
