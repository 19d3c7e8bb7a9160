"""Every resource of one cluster, watched together: what changed, when everything is known, and when the cluster is
lost."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import NamedTuple

from msgspec import Struct

from fleet.core.records.errors import FleetError, UnreachableError
from fleet.core.rollout.event import ApiObject, ClusterEvent, ClusterLost, ClusterSynced, Deleted, Upserted
from fleet.core.text.untrusted import UnreadableError, decode
from fleet.kube.client.retry import Jitter, random_jitter
from fleet.kube.client.transport import Transport
from fleet.kube.kinds.api_resources import KINDS, NODES, PODS
from fleet.kube.objects.api_resource import ApiResource
from fleet.kube.objects.errors import ApiRequest
from fleet.kube.watch import etcd_check
from fleet.kube.watch.object_store import ObjectStore
from fleet.kube.watch.reflector import Reflector
from fleet.system.clock import Clock

COMPARED = (NODES, PODS)
"""The resources of which one object is compared with etcd."""
VERSION_MOST = 100
"""Most characters of a version that are kept."""
HEARD = 6
"""The number of last answers of which the oldest version counts."""


class _Version(Struct, frozen=True, rename="camel"):
    git_version: str


class HealthCheck(Struct, frozen=True):
    """Detects a server that is gone without closing its connections: a dead network ends no watch. All in seconds."""

    every: float = 10.0
    answer: float = 5.0
    """Time-out of one request."""
    misses: int = 2
    """Number of requests in a row without an answer after which the cluster is lost."""


class Informer(NamedTuple):
    """The reflector and the object store of one resource."""

    reflector: Reflector[ApiObject]
    store: ObjectStore


class Informers:
    """The informers of all resources of one cluster, for one reader."""

    def __init__(
        self,
        cluster: str,
        transport: Transport,
        clock: Clock,
        health_check: HealthCheck,
        jitter: Jitter = random_jitter,
    ) -> None:
        self._cluster = cluster
        self._transport = transport
        self._clock = clock
        self._health_check = health_check
        self._inbox: deque[ClusterEvent] = deque()
        self._news = asyncio.Event()
        self._closed = False
        self._informers = [self._informer(kind, jitter) for kind in KINDS]
        self._wrong = ""
        """Why the server's lists cannot be trusted; empty: they can."""
        self._stale: tuple[ApiResource[ApiObject], ApiObject, int] | None = None
        """The object that showed the difference, and the resourceVersion of the server's lists at that time."""
        self._behind: dict[str, ApiObject] = {}
        """An object that differs in etcd and in the server's lists, by resource. Its watch may still report it."""
        self._reported: ClusterSynced | ClusterLost | None = None
        """The last event about the cluster's reachability."""
        self._heard: deque[str] = deque(maxlen=HEARD)
        """The versions in the last answers; of several API servers each may have given one."""

    @property
    def missing(self) -> dict[str, str]:
        """Returns the resources that the cluster does not have, or does not allow fleet to read, each with the reason."""
        reflectors = (informer.reflector for informer in self._informers)
        return {reflector.resource.named: reflector.absent for reflector in reflectors if reflector.absent}

    async def events(self) -> AsyncGenerator[ClusterEvent, None]:
        """Yields changes from the first list on, until `close`. It must have one reader only."""
        tasks = [asyncio.create_task(informer.reflector.run()) for informer in self._informers]
        tasks.append(asyncio.create_task(self._check_health()))
        for task in tasks:
            task.add_done_callback(lambda _: self._news.set())
        try:
            while not self._closed:
                self._news.clear()
                while self._inbox:
                    yield self._inbox.popleft()
                for task in tasks:
                    if task.done():
                        task.result()
                if not self._inbox:
                    await self._news.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """Ends `events`."""
        self._closed = True
        self._news.set()

    def _informer(self, resource: ApiResource[ApiObject], jitter: Jitter) -> Informer:
        store = ObjectStore(resource, self._changed)
        reflector = Reflector(
            self._transport, resource, self._clock, store, self._report_reachability, jitter=jitter
        )
        return Informer(reflector, store)

    def _changed(self, there: Sequence[ApiObject], gone: Sequence[ApiObject]) -> None:
        self._inbox.extend(Deleted(self._cluster, thing) for thing in gone)
        self._inbox.extend(Upserted(self._cluster, thing) for thing in there)
        self._news.set()

    def _report_reachability(self) -> None:
        reflectors = [informer.reflector for informer in self._informers]
        error = next((reflector.error for reflector in reflectors if reflector.error is not None), None)
        event: ClusterSynced | ClusterLost
        if self._wrong:
            event = ClusterLost(self._cluster, self._wrong)
        elif error is not None:
            event = ClusterLost(self._cluster, error.full_message)
        elif self._heard and all(reflector.listed for reflector in reflectors):
            event = ClusterSynced(self._cluster, min(filter(None, self._heard), key=by_age, default=""))
        else:
            return
        # Servers of one control plane may be of different versions: the oldest counts, until it no longer answers.
        if event != self._reported:
            self._reported = event
            self._inbox.append(event)
            self._news.set()

    async def _compare(self) -> None:
        """Reads one object from etcd, and compares it with what the server's lists and watches have shown."""
        if self._stale is not None:
            if await etcd_check.has_recovered(self._transport, *self._stale):
                self._stale, self._wrong = None, ""
                self._list_again("its API server has read its etcd again")
            return
        for reflector, store in self._informers:
            resource = reflector.resource
            if resource not in COMPARED or not reflector.listed:
                continue
            doubted = self._behind.pop(resource.resource, None)
            known = doubted if doubted is not None and store.has(doubted) else store.sample()
            if known is None:
                continue
            found = await etcd_check.compare_with_etcd(self._transport, resource, known)
            if found.contradiction:
                self._stale = (resource, known, await etcd_check.listed_at(self._transport, resource))
                self._wrong = f"{found.contradiction}: {etcd_check.REMEDY}"
                return
            if found.behind and store.has(known):
                if known is doubted:
                    # A watch that goes on from a revision which the server's etcd has not reached is silent.
                    self._list_again(f"the watch of {resource.resource} has not reported the present state")
                    return
                self._behind[resource.resource] = known

    def _list_again(self, why: str) -> None:
        self._behind.clear()
        for informer in self._informers:
            informer.reflector.list_again(why)

    async def _check_health(self) -> None:
        silent = 0
        while True:
            try:
                self._heard.append(await server_version(self._transport, self._health_check.answer))
            except UnreachableError as error:
                silent += 1
                if silent == self._health_check.misses:
                    for informer in self._informers:
                        informer.reflector.interrupt(error)
            except FleetError:
                # It answers; whether it lets us in is what the reflectors find out.
                self._heard = self._heard or deque([""], maxlen=HEARD)
                silent = 0
            else:
                silent = 0
                # What does not answer here is found out by the reflectors.
                with suppress(FleetError):
                    await self._compare()
            self._report_reachability()
            await self._clock.sleep(self._health_check.every)


def by_age(version: str) -> tuple[int, ...]:
    """Returns a key of a version such as `v1.36.3`, by which older versions come first."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


async def server_version(transport: Transport, seconds: float) -> str:
    """Returns the server's version, such as `v1.36.3`. Raises FleetError."""
    body = await transport.call(ApiRequest(verb="get", path="/version", resource="version", seconds=seconds))
    try:
        return decode(body, _Version).git_version[:VERSION_MOST]
    except UnreadableError:
        raise FleetError("the server reports no version: is it a Kubernetes API server?") from None
