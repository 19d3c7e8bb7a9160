"""Hosts that belong to no Kubernetes cluster, kept as one cluster and reached over ssh."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.app.wiring.actor import actor
from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.source import ClaimResult, HostClaimer, Inspection
from fleet.core.objects.machine import LogAsk
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import UsageError
from fleet.core.text.paths import expanded
from fleet.system.clock import WallClock

if TYPE_CHECKING:
    from fleet.core.cluster.snapshot import Snapshot
    from fleet.drivers.pipeline import ClusterPipeline
    from fleet.drivers.quorum_clients import QuorumClients
    from fleet.hosts.cluster import HostsCluster
    from fleet.hosts.ownership import Claim
    from fleet.kube.cluster import KubeCluster
    from fleet.store import ClusterRow
    from fleet.system.clock import Clock


class HostsSource:
    simulated = False
    hosts_alone = True

    def __init__(self, home: Home, row: ClusterRow) -> None:
        self._home, self._row = home, row

    async def connect(self) -> ClusterPipeline:
        return guarded_hosts(self._cluster(), self._row.site, self._home.policy_if_any(), WallClock())

    async def read(self, policy: Policy) -> Snapshot:
        return (await self.inspect(policy)).snapshot

    async def inspect(self, policy: Policy) -> Inspection:
        from fleet.app.wiring.quorums import read_into

        groups = groups_of_hosts(self._row.name, self._row.site, policy)
        reading = await self._cluster().read(self._row.site, self._home.now())
        return Inspection(await read_into(reading.snapshot, groups), unreached=reading.unreached)

    async def boot_log(self, node: str, ask: LogAsk, seconds: float) -> str:
        return await self._cluster().log(node, ask)

    def claimer(self) -> HostClaimer:
        cluster = self._cluster()

        async def claim() -> dict[str, ClaimResult]:
            done = await cluster.claim()
            return {host: ClaimResult(result.message, result.claimed) for host, result in done.items()}

        return claim

    def api_server(self) -> AbstractAsyncContextManager[KubeCluster]:
        raise UsageError(
            f"{self._row.name} has only hosts: there is no API server",
            f"fleet cluster check {self._row.name} checks the hosts; nothing has to be installed there",
        )

    def ensure_tools(self, policy: Policy) -> None:
        """Returns at once: hosts without a cluster are worked on over ssh, whatever their pool's `reach` is."""

    def _cluster(self) -> HostsCluster:
        from fleet.hosts.cluster import HostsCluster

        own = claim_of(self._home) if self._home.exists else None
        folder = self._home.hosts / self._row.name
        return HostsCluster(self._row.name, Path(self._row.kubeconfig), folder, own=own)


def new_row(name: str, inventory: Path, sites: Sequence[str]) -> ClusterRow:
    """Returns the row of a cluster of hosts to add. `inventory`: the file or folder that names the hosts."""
    from fleet.store import ClusterRow

    path = str(expanded(inventory).absolute())
    return ClusterRow(name=name, sites=tuple(sites), kind="hosts", kubeconfig=path)


def claim_of(home: Home) -> Claim:
    """Returns the claim that marks a host as this fleet's: the same for all homes that share the home's database."""
    from uuid import uuid4

    from fleet.hosts.ownership import Claim

    home.store.settings.keep("fleet", str(uuid4()))
    return Claim(home.store.settings.get("fleet") or "", f"{actor()} (home {home.path})")


class NoServers:
    """A stand-in for the API servers that keep their objects in an etcd: hosts without a cluster have none."""

    async def etcd(self) -> str:
        return "and no API server depends on it"


def groups_of_hosts(name: str, site: str, policy: Policy) -> QuorumClients:
    """Returns the quorum groups that the policy names, each read at its endpoints. A member is on the host with the
    member's name.

    Raises UsageError for a group that would be asked in pods: such a group must not be left out silently.
    """
    from fleet.drivers.quorum_clients import QuorumClients
    from fleet.etcd.group import EtcdGroup

    named = [group for group in policy.quorums if group.cluster == name]
    for group in named:
        if group.kind != "etcd" or not group.access.endpoints:
            raise UsageError(
                f"quorum group {group.name} cannot be read: {name} has no pods, only hosts",
                "a quorum group of hosts without a cluster must be an etcd with endpoints",
            )
    return QuorumClients({group.name: EtcdGroup(group, site, NoServers()) for group in named})


def guarded_hosts(hosts: HostsCluster, site: str, policy: Policy, clock: Clock) -> ClusterPipeline:
    """Returns the hosts with their quorum groups. `clock` is the controller's. Raises UsageError as `groups_of_hosts`
    does."""
    from fleet.drivers.pipeline import ClusterPipeline
    from fleet.drivers.quorum_monitor import QuorumMonitor

    monitor = QuorumMonitor(hosts.name, groups_of_hosts(hosts.name, site, policy), clock)
    return ClusterPipeline(hosts, [monitor], [monitor])
