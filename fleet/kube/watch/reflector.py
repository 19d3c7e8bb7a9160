"""The one watch loop of fleet, as client-go's Reflector: a list, then watches from its resourceVersion, again and again.

The controller's informers, the agents' Machines, the lab's Nodes and `fleet cluster install` all follow objects by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from fleet.core.records.errors import FleetError, ForbiddenError, UnreachableError
from fleet.kube.client.retry import Backoff, Jitter, random_jitter
from fleet.kube.client.transport import Transport
from fleet.kube.objects.api_resource import ApiResource, WatchEvent
from fleet.kube.objects.errors import ApiRequest, ExpiredError, NotFoundError
from fleet.kube.watch.listing import read
from fleet.system.clock import Clock

WATCH_SECONDS = 290
"""Seconds after which the API server ends a watch; the next watch continues it."""
ABSENT_SECONDS = 30.0
"""Seconds between two lists of a resource that the cluster does not serve."""
EMPTY_WATCHES = 2
EMPTY_WATCH_SECONDS = 1.0
"""Seconds before the next watch after more than EMPTY_WATCHES in a row without an event."""

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class ReflectorStore(Protocol[T_contra]):
    """The store that receives a Reflector's objects. A FleetError that is raised here counts as a failure of the
    watch."""

    def replace(self, objects: Sequence[T_contra]) -> None:
        """Takes a whole list: what is not in it does not exist any more."""
        ...

    def upsert(self, found: T_contra) -> None:
        """Takes an object that was added or modified."""
        ...

    def delete(self, found: T_contra) -> None:
        """Takes the last state of an object that was deleted."""
        ...


class Reflector(Generic[T]):
    """Keeps a Store as the API server has it. `state_changed` is called after `listed`, `error` or `absent` has changed.

    After 410 Gone, and after any failure, everything is listed again: only then is it known that nothing was missed. A
    connection that breaks off is no failure: the next watch goes on from the last resourceVersion, which bookmarks keep
    new.
    """

    def __init__(
        self,
        transport: Transport,
        resource: ApiResource[T],
        clock: Clock,
        store: ReflectorStore[T],
        state_changed: Callable[[], None],
        *,
        fields: str = "",
        backoff: Backoff | None = None,
        absent_seconds: float = ABSENT_SECONDS,
        jitter: Jitter = random_jitter,
    ) -> None:
        """`fields`: a field selector; empty: all objects."""
        self.resource = resource
        self.listed = False
        """True while the store has all objects and receives their changes."""
        self.error: FleetError | None = None
        """Why the last attempt failed; None: it did not."""
        self.absent = ""
        """Why an optional resource cannot be read; empty: it is read."""
        self._transport = transport
        self._clock = clock
        self._store = store
        self._state_changed = state_changed
        self._fields = fields
        self._backoff = backoff or Backoff()
        self._absent_seconds = absent_seconds
        self._jitter = jitter
        self._version = ""
        """The resourceVersion to watch from; empty: list first."""
        self._failures = 0
        self._empty_watches = 0
        """Number of watches in a row that ended without an event."""
        self._watching: asyncio.Task[None] | None = None
        self._relist: ExpiredError | None = None
        """Why everything must be listed again while the watch goes on; None: it need not be."""

    async def run(self) -> None:
        """Runs until it is cancelled, or until `state_changed` raises."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch_in_task()
                await self._pause_after_watch()
            except ExpiredError:
                self._version = ""
                await self._pause_after_watch()
            except (NotFoundError, ForbiddenError) as error:
                if isinstance(error, ForbiddenError) and not self.resource.optional:
                    await self._fail(error)
                else:
                    await self._wait_until_served(error)
            except FleetError as error:
                await self._fail(error)

    def interrupt(self, error: FleetError) -> None:
        """Ends a watch that may be dead: the server does not answer other requests."""
        if self._watching is not None:
            self.error = error
            self._watching.cancel()

    def list_again(self, why: str) -> None:
        """Ends a watch whose events have missed a change, and lists again."""
        if self._watching is not None:
            self._relist = ExpiredError(why)
            self._watching.cancel()

    async def _list(self) -> None:
        listing = await read(self._transport, self.resource, self._fields)
        self._version = listing.version
        self._store.replace(listing.things)
        self._succeeded(absent="")

    async def _watch_in_task(self) -> None:
        """Watches once, to the end, in a task that can be interrupted."""
        self._watching = task = asyncio.create_task(self._watch())
        try:
            await asyncio.wait([task])
        finally:
            self._watching = None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        relist, self._relist = self._relist, None
        if task.cancelled():
            raise relist or self.error or FleetError("interrupted")
        task.result()

    async def _watch(self) -> None:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        if self._fields:
            query["fieldSelector"] = self._fields
        resource = self.resource
        request = ApiRequest(
            verb="watch", path=resource.path, group=resource.group, resource=resource.resource, query=query
        )
        broken_off = False
        async with self._transport.stream(request) as lines:
            self._failures = 0
            self._succeeded(absent="")
            try:
                async for line in lines:
                    self._take(resource.change(line))
                    self._empty_watches = 0
            except UnreachableError:
                broken_off = True
        if broken_off:
            await self._clock.sleep(self._backoff.first * self._jitter())

    def _take(self, event: WatchEvent[T]) -> None:
        if event.verb == "ERROR":
            raise ExpiredError(event.status.message if event.status is not None else "the watch was ended")
        if event.thing is not None:
            if event.verb == "DELETED":
                self._store.delete(event.thing)
            else:
                self._store.upsert(event.thing)
        if event.version:
            self._version = event.version

    async def _pause_after_watch(self) -> None:
        """Waits, so that a server that ends every watch without an event is not asked in a tight loop."""
        self._empty_watches += 1
        if self._empty_watches > EMPTY_WATCHES:
            await self._clock.sleep(EMPTY_WATCH_SECONDS * self._jitter())

    async def _wait_until_served(self, error: FleetError) -> None:
        """Empties the store: the cluster has no object of this resource for fleet."""
        self._version = ""
        self._store.replace(())
        untold = self.resource.foreign and isinstance(error, NotFoundError)
        self._succeeded(absent="" if untold else error.message)
        await self._clock.sleep(self._absent_seconds)

    async def _fail(self, error: FleetError) -> None:
        self._version = ""
        self.listed = False
        self.error = error
        self._state_changed()
        pause = self._backoff.seconds(self._failures) * self._jitter()
        self._failures += 1
        await self._clock.sleep(pause)

    def _succeeded(self, absent: str) -> None:
        self.error = None
        if not self.listed or absent != self.absent:
            self.listed, self.absent = True, absent
            self._state_changed()
