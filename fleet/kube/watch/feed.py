"""One kind of one cluster, kept up to date: a list, then a watch, again and again; what it tells is what changed.

The feed knows the last state of every object. So an event that comes twice is told once, a change in fields that
fleet does not read is not told at all, and after a gap (410 Gone, a lost connection) the new list is compared with
what is known, and what is missing is told as gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from msgspec.structs import replace

from fleet.core.records.errors import FleetError, ForbiddenError, UnreachableError
from fleet.core.rollout.event import ApiObject
from fleet.kube.client.clock import Clock
from fleet.kube.client.transport import Transport
from fleet.kube.objects.api_resources import ApiResource, WatchEvent
from fleet.kube.objects.errors import ApiRequest, ExpiredError, NotFoundError
from fleet.kube.watch.etcd_check import newest
from fleet.kube.watch.listing import read, refuse_more

WATCH_SECONDS = 290
"""The server ends a watch after this; another goes on from there."""
BACKOFF = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before another attempt, the last of them again and again."""
ABSENT_SECONDS = 30.0
"""Between looks for a kind that the cluster does not serve."""
HASTY = 2
HASTY_SECONDS = 1.0
"""After more than HASTY watches in a row that told nothing: wait so long before the next one."""

Key = tuple[str, str]


class Feed:
    """`tell(there, gone)` is called with what changed; `reached(feed)` after `error` or `listed` has changed."""

    def __init__(
        self,
        transport: Transport,
        kind: ApiResource,
        clock: Clock,
        tell: Callable[[Sequence[ApiObject], Sequence[ApiObject]], None],
        reached: Callable[[Feed], None],
    ) -> None:
        self.kind = kind
        self.listed = False
        """All there is has been told, and changes are being told."""
        self.error: FleetError | None = None
        """Why it does not get on; None while it does."""
        self.absent = ""
        """Why there is nothing of this kind to be read, where one can live with that."""
        self._transport = transport
        self._clock = clock
        self._tell = tell
        self._reached = reached
        self._known: dict[Key, ApiObject] = {}
        self._newest: ApiObject | None = None
        """The object that was changed last, as far as known."""
        self._examples: Iterator[Key] = iter(())
        self._exampled = False
        """The last example was the newest object."""
        self._version = ""
        """resourceVersion to watch from; empty: list first."""
        self._failures = 0
        self._hasty = 0
        """Watches in a row that ended without a word."""
        self._watching: asyncio.Task[None] | None = None
        self._again: ExpiredError | None = None
        """Why the kind is to be listed again though its watch goes on."""

    def knows(self, thing: ApiObject) -> bool:
        """That is what was told last of this object."""
        return self._known.get(_key(thing)) is thing

    def example(self) -> ApiObject | None:
        """Returns the object that was changed last and, every other time, the next one of all; None: there is none."""
        self._exampled = not self._exampled
        if self._exampled and self._newest is not None:
            return self._newest
        key = next(self._examples, None)
        if key is None:
            self._examples = iter(tuple(self._known))
            key = next(self._examples, None)
        return self._known.get(key) if key is not None else None

    def list_again(self, why: str) -> None:
        """What the watch has told is not what there is."""
        if self._watching is not None:
            self._again = ExpiredError(why)
            self._watching.cancel()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch_once()
                await self._ended()
            except ExpiredError:
                self._version = ""
                await self._ended()
            except (NotFoundError, ForbiddenError) as error:
                if isinstance(error, ForbiddenError) and not self.kind.optional:
                    await self._fail(error)
                else:
                    await self._miss(error)
            except FleetError as error:
                await self._fail(error)

    def interrupt(self, error: FleetError) -> None:
        """Nothing is heard of the server by other ways: do not wait for this watch any more."""
        if self._watching is not None:
            self.error = error
            self._watching.cancel()

    async def _list(self) -> None:
        listing = await read(self._transport, self.kind)
        found = {_key(thing): thing for thing in listing.things}
        gone = [thing for key, thing in self._known.items() if key not in found or _reborn(thing, found[key])]
        there = [thing for key, thing in found.items() if not _same(self._known.get(key), thing)]
        self._known = found
        self._newest = newest(found.values())
        self._version = listing.version
        self._tell(there, gone)
        self._set_reached(absent="")

    async def _watch_once(self) -> None:
        """One watch, to its end. In a task of its own, which can be interrupted."""
        self._watching = task = asyncio.create_task(self._watch())
        try:
            await asyncio.wait([task])
        finally:
            self._watching = None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        again, self._again = self._again, None
        if task.cancelled():
            raise again or self.error or FleetError("interrupted")
        task.result()

    async def _watch(self) -> None:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        async with self._transport.stream(self._call("watch", query)) as lines:
            self._failures = 0
            self._set_reached(absent="")
            # A connection that breaks is not yet a failure: the next watch goes on from where this one was.
            with suppress(UnreachableError):
                async for line in lines:
                    self._take(self.kind.change(line))
                    self._hasty = 0

    def _take(self, change: WatchEvent) -> None:
        if change.verb == "ERROR":
            raise ExpiredError(change.status.message if change.status is not None else "the watch was ended")
        if change.thing is not None:
            self._note(change.thing, change.verb == "DELETED")
        if change.version:
            self._version = change.version

    def _note(self, thing: ApiObject, deleted: bool) -> None:
        key = _key(thing)
        old = self._known.get(key)
        self._newest = None if deleted else thing
        if deleted:
            if old is not None:
                del self._known[key]
                self._tell((), (thing,))
            return
        gone = (old,) if old is not None and _reborn(old, thing) else ()
        self._known[key] = thing
        refuse_more(len(self._known), self.kind)
        if not _same(old, thing):
            self._tell((thing,), gone)

    async def _ended(self) -> None:
        """A server that ends every watch without having told anything is not asked in a tight loop."""
        self._hasty += 1
        if self._hasty > HASTY:
            await self._clock.sleep(HASTY_SECONDS)

    async def _miss(self, error: FleetError) -> None:
        """The cluster has nothing of this kind for us: what was known is gone."""
        gone = list(self._known.values())
        self._known, self._version, self._newest = {}, "", None
        self._tell((), gone)
        untold = self.kind.foreign and isinstance(error, NotFoundError)
        self._set_reached(absent="" if untold else error.message)
        await self._clock.sleep(ABSENT_SECONDS)

    async def _fail(self, error: FleetError) -> None:
        """After a failure the kind is listed again: only then is it known that nothing was missed."""
        self._version = ""
        self.listed = False
        self.error = error
        self._reached(self)
        pause = BACKOFF[min(self._failures, len(BACKOFF) - 1)]
        self._failures += 1
        await self._clock.sleep(pause)

    def _set_reached(self, absent: str) -> None:
        self.error = None
        if not self.listed or absent != self.absent:
            self.listed, self.absent = True, absent
            self._reached(self)

    def _call(self, verb: str, query: dict[str, str]) -> ApiRequest:
        kind = self.kind
        return ApiRequest(verb=verb, path=kind.path, group=kind.group, resource=kind.resource, query=query)


def _key(thing: ApiObject) -> Key:
    return getattr(thing, "namespace", ""), thing.name


def _reborn(old: ApiObject, new: ApiObject) -> bool:
    """Another object under the same name."""
    return old.uid != new.uid


def _same(old: ApiObject | None, new: ApiObject) -> bool:
    """Nothing that fleet reads has changed."""
    if old is None or old.uid != new.uid:
        return False
    if old.resource_version == new.resource_version:
        return True
    aged: ApiObject = replace(old, resource_version=new.resource_version)
    return aged == new
