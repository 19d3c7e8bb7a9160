"""One Kubernetes cluster: its events, actions on it, its Lease."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime

from fleet.core.objects.machine import LogAsk
from fleet.core.records.leadership import Leadership, LeaseSighting
from fleet.core.records.requests import RequestKind
from fleet.core.rollout.action import AnyAction, Outcome
from fleet.core.rollout.event import ClusterEvent
from fleet.kube.actions import access
from fleet.kube.actions.executor import ActionExecutor
from fleet.kube.actions.lease import LeaseClient
from fleet.kube.actions.machine_log import machine_log
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.retry import Jitter, random_jitter
from fleet.kube.client.transport import Transport
from fleet.kube.objects.permissions import Permission, needed
from fleet.kube.watch import snapshot
from fleet.kube.watch.informers import HealthCheck, Informers
from fleet.kube.watch.snapshot import ClusterReading
from fleet.system.clock import Clock

HEALTH_CHECK = HealthCheck()


class KubeCluster:
    """One Kubernetes cluster, as drivers and use cases see it. Raises nothing but `FleetError`s. Nothing is read or
    sent before the first call. Close it."""

    def __init__(
        self,
        name: str,
        source: CredentialSource,
        clock: Clock,
        health_check: HealthCheck = HEALTH_CHECK,
        jitter: Jitter = random_jitter,
    ) -> None:
        self.name = name
        self.transport = Transport(source, clock)
        """The connection to the API server, for other requests."""
        self._clock = clock
        self._health_check = health_check
        self._jitter = jitter
        self._verbs = ActionExecutor(self.transport)
        self._lease = LeaseClient(self.transport, clock, name)
        self._informers: list[Informers] = []

    @property
    def requests(self) -> Counter[RequestKind]:
        """Returns how many requests were sent so far."""
        return self.transport.requests

    @property
    def missing(self) -> dict[str, str]:
        """Returns the resources that cannot be watched although fleet can do without them, each with the reason."""
        return {resource: why for informer in self._informers for resource, why in informer.missing.items()}

    async def events(self) -> AsyncGenerator[ClusterEvent, None]:
        """Lists and watches every resource (`drivers.ports.Cluster.events`)."""
        informers = Informers(self.name, self.transport, self._clock, self._health_check, self._jitter)
        self._informers.append(informers)
        try:
            async with aclosing(informers.events()) as events:
                async for event in events:
                    yield event
        finally:
            self._informers.remove(informers)

    async def perform(self, action: AnyAction) -> Outcome:
        return await self._verbs.perform(action)

    async def lead(
        self, identity: str, seconds: int, abandoned: Callable[[str], bool], place: str = ""
    ) -> Leadership:
        return await self._lease.attempt(identity, seconds, abandoned, place)

    async def see_lease(self) -> LeaseSighting | None:
        return await self._lease.see()

    def recall(self, sighting: LeaseSighting) -> None:
        self._lease.recall(sighting)

    async def place(self) -> str:
        """Returns the place that the journal of the last controller had reached; empty if none is recorded."""
        return await self._lease.place()

    async def resign(self, identity: str) -> None:
        await self._lease.resign(identity)

    async def read(self, site: str, at: datetime) -> ClusterReading:
        """Reads everything once, at the moment `at`."""
        return await snapshot.read(self.transport, self.name, site, at)

    async def log(self, machine: str, ask: LogAsk, seconds: float) -> str:
        """Returns the log of a machine (`machine_log`)."""
        return await machine_log(self.transport, self._clock, machine, ask, seconds)

    async def forbidden(
        self, remote: bool = False, job_namespaces: Sequence[str] = (), operator: bool = False
    ) -> tuple[Permission, ...]:
        """Returns the permissions that fleet needs and does not have. `remote`: fleet reaches machines itself.
        `job_namespaces`: where hooks make Jobs. `operator`: fleet runs in this cluster, as `fleet operator`."""
        return await access.missing(self.transport, needed(remote, job_namespaces, operator))

    async def close(self) -> None:
        for informer in self._informers:
            informer.close()
        await self.transport.close()
