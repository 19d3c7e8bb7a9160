"""Why a cluster's lease is not ours is reported with the remedy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, cast

import pytest

from fleet.core.records.errors import ForbiddenError, StoreError, UnreachableError
from fleet.core.records.leadership import Leadership, LeaseSighting
from fleet.drivers.leadership import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    ClusterLease,
    HandOvers,
    LeaseWatch,
    until_led,
    wait_for,
)
from fleet.drivers.pipeline import ClusterPipeline
from fleet.drivers.ports import Cluster, DatabaseLease, Journal
from fleet.lab.simulation.builders import START

RULE = 'RBAC does not allow it: grant verb "update" on resource "leases"'


class Forbidding:
    name = "east"

    async def lead(
        self, identity: str, seconds: int, abandoned: Callable[[str], bool], place: str = ""
    ) -> Leadership:
        raise ForbiddenError('User "x" cannot update resource "leases"', RULE)


def test_forbidden_lease_names_the_missing_rule() -> None:
    async def renew() -> ClusterLease:
        lease = ClusterLease(
            cast(Cluster, Forbidding()), "a", lambda _: False, cast(Journal, cast(Any, None))
        )
        assert not await lease.renew() and not lease.valid
        return lease

    why = asyncio.run(renew()).why
    assert "cannot update" in why and RULE in why


class Contested:
    """A cluster whose lease is held by `holder`."""

    name = "east"

    def __init__(self) -> None:
        self.holder = "a"
        self.given_back = 0

    async def lead(
        self, identity: str, seconds: int, abandoned: Callable[[str], bool], place: str = ""
    ) -> Leadership:
        return Leadership(self.holder == identity, self.holder, 1)

    async def resign(self, identity: str) -> None:
        self.given_back += 1


class Empty:
    """A journal before its first entry."""

    def place(self) -> str:
        return ""


class Work:
    def __init__(self) -> None:
        self.running = 0
        self.begun = 0

    async def run(self) -> None:
        self.begun += 1
        self.running += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.running -= 1


def test_work_of_a_leader_stops_before_the_lease_is_released() -> None:
    async def story() -> None:
        cluster, work = Contested(), Work()
        lease = ClusterLease(
            cast(Cluster, cluster), "a", lambda _: False, cast(Journal, cast(Any, Empty())), work
        )
        for _ in range(3):
            assert await lease.renew()
            await asyncio.sleep(0)
        assert (work.begun, work.running) == (1, 1)
        cluster.holder = "b"
        assert not await lease.renew()
        assert work.running == 0
        cluster.holder = "a"
        assert await lease.renew()
        await asyncio.sleep(0)
        assert (work.begun, work.running) == (2, 1)
        await lease.resign()
        assert work.running == 0 and cluster.given_back == 1

    asyncio.run(story())


class Noting:
    """A cluster with a lease that holds a place. `refuses`: its API server does not take the next renewal."""

    name = "east"

    def __init__(self, place: str = "") -> None:
        self.noted = place
        self.renewals = 0
        self.refuses = False

    async def lead(
        self, identity: str, seconds: int, abandoned: Callable[[str], bool], place: str = ""
    ) -> Leadership:
        if self.refuses:
            raise ForbiddenError("the API server is away")
        self.renewals += 1
        before, self.noted = self.noted, place or self.noted
        return Leadership(True, identity, 1, before)

    async def resign(self, identity: str) -> None:
        pass


class Watched:
    """A cluster whose lease was renewed for the last time as `sighting` says. `away`: it does not answer any more."""

    name = "east"

    def __init__(self, sighting: LeaseSighting, away: bool = False) -> None:
        self.sighting = sighting
        self.recalled: LeaseSighting | None = None
        self.seen = asyncio.Event()
        self.away = away
        self.closed = False

    async def see_lease(self) -> LeaseSighting | None:
        self.seen.set()
        if self.away:
            raise UnreachableError("it does not answer")
        return self.sighting

    def recall(self, sighting: LeaseSighting) -> None:
        self.recalled = sighting

    async def close(self) -> None:
        self.closed = True


class Expiring:
    """The lease of a database that another controller holds until `cluster` has been looked at."""

    def __init__(self, cluster: Watched) -> None:
        self.cluster = cluster

    def acquire(
        self, identity: str, *, at: datetime, seconds: int, abandoned: Callable[[str], bool]
    ) -> Leadership:
        held = self.cluster.seen.is_set()
        return Leadership(held, identity if held else "b", 2 if held else 1)


@pytest.mark.parametrize("away", [False, True])
def test_standby_that_comes_to_lead_knows_since_when_the_clusters_lease_was_not_renewed(away: bool) -> None:
    async def story() -> None:
        before, after = Watched(LeaseSighting("r-1", 5.0), away), Watched(LeaseSighting("r-1", 9.0))

        async def connect() -> Mapping[str, ClusterPipeline]:
            return {"east": ClusterPipeline(cast(Cluster, before))}

        watch, waits = LeaseWatch(connect), list[str]()
        lease = cast(DatabaseLease, Expiring(before))
        found = await wait_for(lease, "a", lambda: START, lambda _: False, waits.append, watch)
        assert (found.held, waits, before.closed) == (True, ["b"], True)
        watch.recall({"east": ClusterPipeline(cast(Cluster, after))})
        assert after.recalled == (None if away else before.sighting)

    asyncio.run(asyncio.wait_for(story(), 30))


class Reached:
    """A journal that has the entries up to `seq`, all with the same hash."""

    def __init__(self, seq: int) -> None:
        self.seq = seq

    def place(self) -> str:
        return f"{self.seq}:abc"

    def knows(self, place: str, cluster: str) -> bool:
        return int(place.partition(":")[0]) <= self.seq


def noting(cluster: Noting, journal: Reached, seen: str = "") -> ClusterLease:
    return ClusterLease(cast(Cluster, cluster), "a", lambda _: False, cast(Journal, journal), seen=seen)


def test_place_is_noted_once_before_the_acts_that_must_not_happen_twice() -> None:
    async def story() -> None:
        cluster, journal = Noting(), Reached(3)
        lease = noting(cluster, journal)
        await lease.renew()
        journal.seq = 5
        assert await lease.note("5:abc") and cluster.noted == "5:abc"
        renewals = cluster.renewals
        assert all(await asyncio.gather(lease.note("4:abc"), lease.note("5:abc")))
        assert cluster.renewals == renewals, "it is noted already"

    asyncio.run(story())


def test_place_that_is_not_noted_is_reported() -> None:
    async def story() -> None:
        cluster, journal = Noting(), Reached(3)
        lease = noting(cluster, journal)
        await lease.renew()
        await lease.renew()
        cluster.refuses = True
        assert await lease.note("3:abc"), "it is noted already"
        assert not await lease.note("4:abc")
        cluster.refuses = False
        assert not await lease.note("4:abc"), "the journal has lost the entry"

    asyncio.run(story())


def test_journal_that_has_lost_what_this_process_saw_is_not_continued() -> None:
    async def story() -> None:
        cluster, journal = Noting("3:abc"), Reached(4)
        lease = noting(cluster, journal, seen="7:abc")
        assert not await lease.renew() and not lease.valid
        assert "entry 7" in lease.why
        assert cluster.noted == "7:abc", "for whoever leads next"

    asyncio.run(story())


def test_database_that_fails_over_while_the_lead_is_handed_over_is_asked_again() -> None:
    answers: list[str | None] = [None, "", "b"]

    class FailingOver:
        def current(self, at: object) -> str | None:
            answer = answers.pop(0)
            if answer == "":
                raise StoreError("the primary is gone")
            return answer

    assert asyncio.run(until_led(cast(DatabaseLease, FailingOver()), lambda: START, 30.0))
    assert answers == []


def test_lead_that_nobody_takes_is_offered_later_and_later() -> None:
    """Found in a review: a standby that was Ready and never led stopped all work for half a minute, again and again."""
    now = START
    offers = HandOvers(lambda: now)
    pauses = []
    for _ in range(6):
        assert offers.may()
        pauses.append(offers.refused())
        assert not offers.may()
        now += pauses[-1]
    assert pauses == [min(FIRST_PAUSE * 2**n, LONGEST_PAUSE) for n in range(6)]
    offers.taken()
    assert offers.may() and offers.refused() == FIRST_PAUSE
