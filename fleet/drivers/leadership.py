"""Leases: the database's, and one in each cluster. Without them nothing is done, and what was begun stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from fleet.core.records.errors import FleetError, StoreError
from fleet.core.records.held import Held
from fleet.core.records.journal import seq_of
from fleet.core.records.leadership import Leadership, LeaseSighting
from fleet.core.records.reasons.reason import Reason
from fleet.drivers.pipeline import ClusterPipeline, LeaderWork
from fleet.drivers.ports import Cluster, DatabaseLease, Journal

SECONDS = 15
"""A lease lasts this long; it is renewed three times in that span."""
LOOK = 2.0
"""Seconds between two looks at a lease that another controller holds: so much later may its expiry be noticed."""
RECONNECT = 60.0
"""Seconds after which a standby opens its connections anew."""


HAND_OVER_SECONDS = 30.0
"""The longest time for which a controller that hands over waits until another one leads."""


FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(minutes=10)
"""The time after which the lead is offered again when nobody has taken it, and the longest one: each is twice the last."""


class HandOverError(Exception):
    """This controller has to let another one lead, and has stopped its work. `held` says why."""

    def __init__(self, held: Held) -> None:
        super().__init__(held.message)
        self.held = held


def handing_over(reasons: Iterable[tuple[Held, ...]]) -> Held | None:
    """Returns the reason for which the lead has to be handed over now, among the reasons that hold nodes; else None."""
    return next((held[0] for held in reasons if held and held[0].reason is Reason.HAND_OVER), None)


class HandOvers:
    """Decides when the lead may be handed over: at first at once, and after nobody has taken it, later and later. In
    between this controller works on, since a standby that is Ready and never leads must not keep all other nodes
    waiting."""

    def __init__(self, wall: Callable[[], datetime]) -> None:
        self._wall = wall
        self._next: datetime | None = None
        self._pause = FIRST_PAUSE

    def may(self) -> bool:
        """Returns whether the lead may be handed over now."""
        return self._next is None or self._wall() >= self._next

    def taken(self) -> None:
        """Notes that another controller has taken the lead."""
        self._next, self._pause = None, FIRST_PAUSE

    def refused(self) -> timedelta:
        """Notes that nobody has taken the lead, and returns after what time it is offered again."""
        pause = self._pause
        self._next, self._pause = self._wall() + pause, min(2 * pause, LONGEST_PAUSE)
        return pause


async def until_led(lease: DatabaseLease, wall: Callable[[], datetime], seconds: float) -> bool:
    """Waits until a controller leads, at most so many seconds; returns whether one does. A database that does not answer
    is asked again: whoever leads next has to wait for it too."""
    end = asyncio.get_running_loop().time() + seconds
    while not _is_led(lease, wall()):
        if asyncio.get_running_loop().time() >= end:
            return False
        await asyncio.sleep(0.2)
    return True


def _is_led(lease: DatabaseLease, at: datetime) -> bool:
    try:
        return lease.current(at) is not None
    except StoreError:
        return False


class LeaseWatch:
    """Looks at the leases of the clusters while another controller leads. What it has seen lets a lease that is not renewed
    any more expire at the same time as that of the database, and not one after the other."""

    def __init__(self, connect: Callable[[], Awaitable[Mapping[str, ClusterPipeline]]]) -> None:
        self._connect = connect
        self._seen: dict[str, LeaseSighting] = {}

    async def run(self) -> None:
        """Looks until it is cancelled. A cluster that does not answer is asked again; its connection is opened anew once a
        minute, since clusters and credentials change."""
        while True:
            with suppress(FleetError):
                await self._look()
            await asyncio.sleep(LOOK)

    def recall(self, pipelines: Mapping[str, ClusterPipeline]) -> None:
        """Has the clusters know what was seen of their leases."""
        for name, sighting in self._seen.items():
            if name in pipelines:
                pipelines[name].cluster.recall(sighting)

    async def _look(self) -> None:
        pipelines = await self._connect()
        self.recall(pipelines)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(RECONNECT):
                    await asyncio.gather(*(self._see(name, each.cluster) for name, each in pipelines.items()))
        finally:
            for each in pipelines.values():
                with suppress(FleetError):
                    await each.cluster.close()

    async def _see(self, name: str, cluster: Cluster) -> None:
        while True:
            with suppress(FleetError):
                sighting = await cluster.see_lease()
                if sighting is not None:
                    self._seen[name] = sighting
            await asyncio.sleep(LOOK)


class ClusterLease:
    """Keeps one cluster's lease while `keep` runs. `valid` is asked right before each action.

    The lease notes how far the journal had come: at each renewal, and before each act that must not happen twice
    (`note`). A journal that has not come so far is an older copy, or another one: what was begun since is not in it,
    so nothing is done in that cluster before an operator has said that it may.
    """

    def __init__(
        self,
        cluster: Cluster,
        identity: str,
        abandoned: Callable[[str], bool],
        journal: Journal,
        work: LeaderWork | None = None,
        seen: str = "",
    ) -> None:
        """`work` goes on for as long as the lease is held. `seen` is a place that the journal had come to for this
        process, with whatever database that was; empty: none."""
        self.cluster = cluster
        self._journal = journal
        self._known = False
        """The journal has come at least as far as the lease knows."""
        self._seen = seen
        self._noted = 0
        """The seq that the lease has, as far as this process has written it."""
        self._renewing = asyncio.Lock()
        self._identity = identity
        self._abandoned = abandoned
        self._until: float | None = None
        self._work = work
        self._working: asyncio.Task[None] | None = None
        self.why = ""
        """Why it is not ours; empty: it has not been asked for yet, or it is."""
        self._others = False
        """Another controller holds it."""

    @property
    def valid(self) -> bool:
        """Returns whether the lease is held, and was renewed recently enough: a process that was stopped for a
        while finds itself without."""
        return self._until is not None and asyncio.get_running_loop().time() < self._until

    async def renew(self) -> bool:
        """Tries once to take or renew the lease; on failure `why` names the holder."""
        async with self._renewing:
            return await self._renew()

    async def note(self, place: str) -> bool:
        """Returns whether the lease is held and notes that the journal has come to that place: then whoever works on
        this cluster next has to know that entry."""
        seq = seq_of(place)
        async with self._renewing:
            if not self.valid or self._noted < seq:
                await self._renew()
            return self.valid and self._noted >= seq

    async def _renew(self) -> bool:
        asked_at = asyncio.get_running_loop().time()
        self._others = False
        try:
            place = self._journal.place() if self._known else ""
            found = await self.cluster.lead(self._identity, SECONDS, self._abandoned, place)
            if found.held and not self._known and (unknown := self._unknown(found.place)):
                await self._leave(unknown)
                return False
            self._known = found.held
        except FleetError as error:
            self.why = error.full_message
            return False
        if found.held:
            self._until = asked_at + SECONDS
            self._noted = seq_of(place)
            self.why = ""
            self._go_on()
            return True
        await self._stop_work()
        self._until = None
        self._others = True
        self.why = f"led by another controller: {found.holder}"
        return False

    def _unknown(self, noted: str) -> str:
        """Returns the place that the journal must have come to, if it has not; empty: it has. `noted` is what the lease
        had."""
        newest = max(noted, self._seen, key=seq_of)
        return "" if not newest or self._journal.knows(newest, self.cluster.name) else newest

    def _go_on(self) -> None:
        """Starts the work that belongs to the lease. Raises what has ended it: a bug."""
        if self._working is not None and self._working.done():
            self._working.result()
        if self._working is None and self._work is not None:
            self._working = asyncio.create_task(self._work.run())

    async def _stop_work(self) -> None:
        working, self._working = self._working, None
        if working is not None:
            working.cancel()
            await asyncio.wait({working})

    async def _leave(self, place: str) -> None:
        await self._stop_work()
        if place == self._seen:
            # For the next holder, and for the operator who accepts that the entry is missing.
            await self.cluster.lead(self._identity, SECONDS, self._abandoned, place)
        await self.cluster.resign(self._identity)
        self._until = None
        entry, name = place.partition(":")[0], self.cluster.name
        self.why = (
            f"{name} has seen entry {entry} of a journal, which is not in this database: it is an older copy, a standby "
            f"that had not received it, or another fleet's; to continue with it: fleet cluster accept {name}"
        )

    async def keep(self, changed: Callable[[], None]) -> None:
        """Renews until it is cancelled, and calls `changed` when `valid` or `why` changes."""
        logged: tuple[bool, str] | None = None
        while True:
            await self.renew()
            if (self.valid, self.why) != logged:
                logged = (self.valid, self.why)
                changed()
            await asyncio.sleep(LOOK if self._others else SECONDS / 3)

    async def resign(self) -> None:
        """Stops the work, and gives the lease back if it is held. Raises FleetError."""
        await self._stop_work()
        if self._until is not None:
            self._until = None
            await self.cluster.resign(self._identity)


async def wait_for(
    lease: DatabaseLease,
    identity: str,
    wall: Callable[[], datetime],
    abandoned: Callable[[str], bool],
    waits: Callable[[str], None],
    watch: LeaseWatch,
) -> Leadership:
    """Waits until this process controls the fleet of the database, and watches the clusters' leases meanwhile. `waits` is
    called with each holder that it waits for."""
    logged = ""
    watching: asyncio.Task[None] | None = None
    try:
        while True:
            found = lease.acquire(identity, at=wall(), seconds=SECONDS, abandoned=abandoned)
            if found.held:
                return found
            if found.holder != logged:
                logged = found.holder
                waits(logged)
            if watching is None:
                watching = asyncio.create_task(watch.run())
            elif watching.done():
                watching.result()
            await asyncio.sleep(1)
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.wait({watching})
