"""How a cluster of the fleet is connected to. Wires the real adapter, the simulated one, or that of hosts."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.app.wiring.home import Home
from fleet.app.wiring.quorums import guarded, guarded_hosts
from fleet.core.records.errors import FleetError
from fleet.system.clock import WallClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fleet.drivers.ports import Cluster
    from fleet.hosts.cluster import HostsCluster
    from fleet.kube.cluster import KubeCluster
    from fleet.store import ClusterRow


async def connect(home: Home, row: ClusterRow) -> Cluster:
    """The cluster as a driver sees it. Close it. Raises FleetError where a simulated one's file is wrong."""
    if row.kind == "simulated":
        from fleet.simulated.clock import SimulatedClock
        from fleet.simulated.cluster import SimulatedCluster

        if not isinstance(home.clock, SimulatedClock):
            raise FleetError(
                f"{home.simulated} holds no clock for cluster {row.name}",
                "fleet demo FOLDER makes another fleet",
            )
        return SimulatedCluster(file_of(home, row), home.clock)
    if row.kind == "hosts":
        return guarded_hosts(hosts_of(home, row), row.site, home.policy_if_any(), WallClock())
    return guarded(real(row), row.site, home.policy_if_any(), home.played)


def file_of(home: Home, row: ClusterRow) -> Path:
    return home.simulated / f"{row.name}.json"


def hosts_of(home: Home, row: ClusterRow) -> HostsCluster:
    from fleet.hosts.cluster import HostsCluster

    own = home.claim() if home.exists else None
    return HostsCluster(row.name, Path(row.kubeconfig), home.hosts / row.name, own=own)


def real(row: ClusterRow) -> KubeCluster:
    from fleet.kube.client.credentials import CredentialSource
    from fleet.kube.cluster import KubeCluster

    first, *behind = row.files
    return KubeCluster(row.name, CredentialSource(first, row.context, tuple(behind)), WallClock())


@asynccontextmanager
async def opened(row: ClusterRow) -> AsyncIterator[KubeCluster]:
    cluster = real(row)
    try:
        yield cluster
    finally:
        await cluster.close()
