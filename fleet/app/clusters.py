"""Clusters of the fleet: reached, read, added, removed, installed into. Wires the real or the simulated adapter."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from fleet.app.clock import WallClock
from fleet.app.home import Home, person
from fleet.app.quorums import groups_of_hosts, guarded, guarded_hosts, read_into, with_quorums
from fleet.core.errors import FleetError, ForbiddenError, HeldError, UsageError
from fleet.core.journal import Record
from fleet.core.policy import Policy
from fleet.core.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fleet.core.machine import LogAsk
    from fleet.drivers.ports import Cluster
    from fleet.hosts.cluster import HostsCluster
    from fleet.kube.cluster import Cluster as RealCluster
    from fleet.store import ClusterRow

T = TypeVar("T")


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


class Look(Struct, frozen=True):
    """Several clusters at one moment, as far as they answer."""

    fresh: tuple[Snapshot, ...]
    old: tuple[Snapshot, ...]
    """What was last known of those that do not answer."""
    lost: dict[str, str]
    """Why those do not answer."""
    changes: dict[str, int]
    """Facts that were news to the inventory, by cluster."""


async def connect(home: Home, row: ClusterRow) -> Cluster:
    """The cluster as a driver sees it. Close it. Raises FleetError where a simulated one's file is wrong."""
    if row.kind == "simulated":
        from fleet.sim.clock import SimulatedClock
        from fleet.sim.cluster import SimulatedCluster

        if not isinstance(home.clock, SimulatedClock):
            raise FleetError(
                f"{home.simulated} holds no clock for cluster {row.name}", "fleet demo makes a new one"
            )
        return SimulatedCluster(_file(home, row), home.clock)
    if row.kind == "hosts":
        return guarded_hosts(_hosts(home, row), _site(row.sites), home.policy_if_any())
    return guarded(_real(row), _site(row.sites), home.policy_if_any(), home.played)


def _file(home: Home, row: ClusterRow) -> Path:
    return home.simulated / f"{row.name}.json"


def _hosts(home: Home, row: ClusterRow) -> HostsCluster:
    from fleet.hosts.cluster import HostsCluster

    own = home.claim() if home.exists else None
    return HostsCluster(row.name, Path(row.kubeconfig), home.hosts / row.name, own=own)


def _real(row: ClusterRow) -> RealCluster:
    from fleet.kube.cluster import Cluster
    from fleet.kube.credentials import Source

    return Cluster(row.name, Source(Path(row.kubeconfig), row.context), WallClock())


def look(home: Home, names: Sequence[str] = ()) -> Look:
    """Reads clusters afresh, all at a time, and writes what was found to the inventory."""
    rows = home.clusters(names)
    answers = asyncio.run(_read_all(home, rows))
    fresh: list[Snapshot] = []
    lost: dict[str, str] = {}
    changes: dict[str, int] = {}
    for row, answer in zip(rows, answers, strict=True):
        if isinstance(answer, Snapshot):
            changes[row.name] = _keep(home, answer)
            fresh.append(answer)
        else:
            lost[row.name] = reason(row.name, answer)
            home.store.clusters.touch(row.name, at=home.now(), error=lost[row.name])
    old = tuple(home.store.inventory.snapshot(name) for name in lost)
    return Look(tuple(fresh), old, lost, changes)


def reason(name: str, error: FleetError) -> str:
    """Why it does not answer, for places that say themselves which cluster it is and that it does not."""
    return error.message.removeprefix(f"cluster {name} does not answer: ")


def _keep(home: Home, snapshot: Snapshot) -> int:
    """Writes down what was seen; answers how many facts were news."""
    news = home.store.inventory.sync(snapshot, at=snapshot.at, source="sync")
    home.store.clusters.touch(snapshot.cluster, at=snapshot.at, version=snapshot.server_version)
    return news.opened + news.closed + news.updated


async def _read_all(home: Home, rows: Sequence[ClusterRow]) -> list[Snapshot | FleetError]:
    return await asyncio.gather(*(_read(home, row) for row in rows))


async def _read(home: Home, row: ClusterRow) -> Snapshot | FleetError:
    try:
        if row.kind == "simulated":
            from fleet.sim.cluster import snapshot_of

            return snapshot_of(_file(home, row))
        if row.kind == "hosts":
            return (await _read_hosts(home, row))[0]
        async with _opened(row) as cluster:
            snapshot = (await cluster.read(_site(row.sites), home.now())).snapshot
            return await with_quorums(snapshot, cluster, home.policy_if_any())
    except FleetError as error:
        return error


async def _read_hosts(home: Home, row: ClusterRow) -> tuple[Snapshot, dict[str, str]]:
    """Hosts without a cluster, and which of them were not reached and why."""
    groups = groups_of_hosts(row.name, _site(row.sites), home.policy_if_any())
    reading = await _hosts(home, row).read(_site(row.sites), home.now())
    return await read_into(reading.snapshot, groups), reading.unreached


def _site(sites: Sequence[str]) -> str:
    return sites[0] if sites else ""


@asynccontextmanager
async def _opened(row: ClusterRow) -> AsyncIterator[RealCluster]:
    cluster = _real(row)
    try:
        yield cluster
    finally:
        await cluster.close()


def add(home: Home, name: str, kubeconfig: Path, context: str, sites: Sequence[str]) -> Found:
    """Reads the cluster once and keeps it. Raises FleetError, and keeps nothing, where it does not answer."""
    from fleet.store import ClusterRow

    _addable(home, name)
    row = ClusterRow(
        name=name, sites=tuple(sites), kubeconfig=str(kubeconfig.expanduser().absolute()), context=context
    )
    return _add(home, row)


def add_hosts(home: Home, name: str, inventory: Path, sites: Sequence[str]) -> Found:
    """Hosts without a cluster, as `add`. Raises FleetError, and keeps nothing, where none of them is reached."""
    from fleet.store import ClusterRow

    _addable(home, name)
    path = str(inventory.expanduser().absolute())
    return _add(home, ClusterRow(name=name, sites=tuple(sites), kind="hosts", kubeconfig=path))


def _addable(home: Home, name: str) -> None:
    if name in ("", ".", "..") or "/" in name:
        raise UsageError(f"a cluster cannot be called {name!r}", "choose a name without a slash")
    if home.exists and any(row.name == name for row in home.store.clusters.list()):
        raise UsageError(f"cluster {name} is in the fleet already", "fleet cluster check looks at it again")


def _add(home: Home, row: ClusterRow) -> Found:
    found, snapshot = _inspect(home, row)
    home.make().clusters.add(replace(row, uid=found.uid))
    _keep(home, snapshot)
    return found


def check(home: Home, name: str) -> Found:
    """Reaches a cluster of the fleet. Raises FleetError where it does not answer, and keeps why."""
    row = home.store.clusters.get(name)
    try:
        found, snapshot = _inspect(home, row)
    except FleetError as error:
        home.store.clusters.touch(name, at=home.now(), error=reason(name, error))
        raise
    if row.uid and found.uid and row.uid != found.uid:
        raise FleetError(
            f"{name} is another cluster than the one that was added: its kube-system has uid {found.uid}, not {row.uid}",
            f"fleet cluster remove {name}, then add it again",
        )
    _keep(home, snapshot)
    return found


def _inspect(home: Home, row: ClusterRow) -> tuple[Found, Snapshot]:
    policy = home.policy_if_any()
    if row.kind == "simulated":
        snapshot = _run(_read(home, row))
        if isinstance(snapshot, FleetError):
            raise snapshot
        return found_in(row.name, row.sites, snapshot, policy, simulated=True), snapshot
    if row.kind == "hosts":
        snapshot, unreached = _run(_read_hosts(home, row))
        found = found_in(row.name, row.sites, snapshot, policy)
        return replace(found, hosts=True, unreached=unreached), snapshot
    return _run(_inspect_real(home, row, policy))


async def _inspect_real(home: Home, row: ClusterRow, policy: Policy) -> tuple[Found, Snapshot]:
    async with _opened(row) as cluster:
        missing = await cluster.forbidden(policy.remote)
        unreadable = [each for each in missing if each.resource in ("nodes", "pods") and "list" in each.verbs]
        if unreadable:
            raise ForbiddenError(
                f"{row.name} does not let fleet list {' and '.join(each.resource for each in unreadable)}",
                "; ".join(rule(each) for each in unreadable),
            )
        reading = await cluster.read(_site(row.sites), home.now())
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


async def _uid(cluster: RealCluster) -> str:
    """Of the namespace kube-system; empty where fleet may not see it."""
    import msgspec

    from fleet.kube.refusal import Call

    path = "/api/v1/namespaces/kube-system"
    try:
        body = await cluster.transport.call(Call(verb="get", path=path, resource="namespaces"))
    except ForbiddenError:
        return ""
    return str(msgspec.json.decode(body)["metadata"]["uid"])


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
    )


def remove(home: Home, name: str) -> None:
    """Raises UsageError where the fleet has none, HeldError while a rollout works there."""
    row = home.store.clusters.get(name)
    _refuse_at_work(home, row.name)
    home.store.clusters.remove(row.name, at=home.now())


def _refuse_at_work(home: Home, name: str) -> None:
    from fleet.app.rollouts import Rollouts

    for rollout in Rollouts.load(home.store).active:
        if any(ref.cluster == name for ref in rollout.runs):
            raise HeldError(
                f"rollout {rollout.id} works on {name}", f"wait for it, or: fleet rollout abort {rollout.id}"
            )


def manifests(home: Home, name: str, image: str | None) -> str:
    """The YAML that `install` would apply. `image`: of the agent; None leaves it out."""
    from fleet.kube.installation import as_yaml
    from fleet.kube.installation import manifests as objects

    _installable(home, name)
    return as_yaml(objects(image, home.policy_if_any().remote))


def install(home: Home, name: str, image: str | None) -> list[str]:
    """What was done, an object a line. Raises ForbiddenError with the rule that is missing."""
    from fleet.kube.install import apply
    from fleet.kube.installation import manifests as objects

    wanted = objects(image, home.policy_if_any().remote)

    async def work() -> list[str]:
        async with _opened(_installable(home, name)) as cluster:
            return [f"{each.result} {each.manifest}" for each in await apply(cluster.transport, wanted)]

    return _run(work())


def dumped(row: ClusterRow) -> bytes:
    """The live cluster as a dump. Raises UsageError for a simulated one, FleetError where it does not answer."""
    from fleet.kube.dump import dump

    if row.kind != "kubeconfig":
        why = "is simulated" if row.kind == "simulated" else "has hosts alone"
        raise UsageError(f"{row.name} {why}: there is no API server to dump", "--cluster NAME")

    async def work() -> bytes:
        async with _opened(row) as cluster:
            return await dump(cluster.transport)

    return _run(work())


def last_log(home: Home, row: ClusterRow, node: str, ask: LogAsk, seconds: float) -> str:
    """Of the boot before this one, by the node's agent, over ssh or from the model. `seconds`: for the agent.

    Raises UnreachableError where there is no answer, FleetError where the machine has no such log.
    """

    async def of_agent() -> str:
        async with _opened(row) as cluster:
            return await cluster.log(node, ask, seconds)

    match row.kind:
        case "simulated":
            from fleet.sim.cluster import log_of

            return log_of(_file(home, row), node)
        case "hosts":
            return _run(_hosts(home, row).log(node, ask))
        case _:
            return _run(of_agent())


def claim(home: Home, name: str, reason: str) -> dict[str, str]:
    """Makes all hosts of a cluster of hosts this fleet's: what was done or why not, by host. Journaled first."""
    row = home.store.clusters.get(name)
    if row.kind != "hosts":
        raise UsageError(f"{name} is a cluster: its Lease says whose it is", "fleet cluster check " + name)
    detail = {"cluster": name} | ({"reason": reason} if reason else {})
    home.store.journal.append([Record("command", "claim", detail=detail)], at=home.now(), actor=person())
    return _run(_hosts(home, row).claim())


def uninstall(home: Home, name: str) -> list[str]:
    """What was taken away. Raises HeldError while a rollout works there."""
    from fleet.kube.install import uninstall as take_away

    row = _installable(home, name)
    _refuse_at_work(home, name)

    async def work() -> list[str]:
        async with _opened(row) as cluster:
            gone = await take_away(cluster.transport)
            done = [f"{each.result} {each.manifest}" for each in gone.objects if each.result != "absent"]
            return done + [f"unmarked Node {node}" for node in gone.nodes]

    return _run(work())


def _installable(home: Home, name: str) -> ClusterRow:
    row = home.store.clusters.get(name)
    if row.kind == "simulated":
        raise UsageError(
            f"{name} is simulated: there is nothing to install into", "fleet lab up makes a real one"
        )
    if row.kind == "hosts":
        raise UsageError(
            f"{name} has hosts alone: nothing has to be installed there", f"fleet cluster check {name}"
        )
    return row


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)
