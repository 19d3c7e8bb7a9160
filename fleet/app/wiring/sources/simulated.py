"""Simulated clusters: models in the home's folder, with their clock."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.source import HostClaimer, Inspection
from fleet.core.objects.machine import LogAsk
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import FleetError, UsageError

if TYPE_CHECKING:
    from fleet.core.cluster.snapshot import Snapshot
    from fleet.drivers.pipeline import ClusterPipeline
    from fleet.kube.cluster import KubeCluster
    from fleet.store import ClusterRow


class SimulatedSource:
    simulated = True
    hosts_alone = False

    def __init__(self, home: Home, row: ClusterRow) -> None:
        self._home, self._row = home, row

    async def connect(self) -> ClusterPipeline:
        """Returns the model as a driver sees it. Raises FleetError where the home has no simulated clock."""
        from fleet.drivers.pipeline import ClusterPipeline
        from fleet.simulated.clock import SimulatedClock
        from fleet.simulated.cluster import SimulatedCluster

        if not isinstance(self._home.clock, SimulatedClock):
            raise FleetError(
                f"{self._home.simulated} has no clock for cluster {self._row.name}",
                "fleet demo FOLDER creates another fleet",
            )
        return ClusterPipeline(SimulatedCluster(self._file, self._home.clock))

    async def read(self, policy: Policy) -> Snapshot:
        """Returns the model as its process last saved it. The model has its own quorum groups, independent of the
        policy."""
        from fleet.simulated.cluster import snapshot_of

        return snapshot_of(self._file)

    async def inspect(self, policy: Policy) -> Inspection:
        return Inspection(await self.read(policy))

    async def boot_log(self, node: str, ask: LogAsk, seconds: float) -> str:
        from fleet.simulated.cluster import log_of

        return log_of(self._file, node)

    def claimer(self) -> HostClaimer:
        raise UsageError(
            f"{self._row.name} is a Kubernetes cluster: its Lease names its owner",
            f"fleet cluster check {self._row.name}",
        )

    def api_server(self) -> AbstractAsyncContextManager[KubeCluster]:
        raise UsageError(
            f"{self._row.name} is simulated: there is no API server", "fleet lab up starts a real one"
        )

    def ensure_tools(self, policy: Policy) -> None:
        """Returns at once: a model needs no program."""

    @property
    def _file(self) -> Path:
        return self._home.simulated / f"{self._row.name}.json"
