"""Why a cluster's lease is not ours is reported with the remedy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from fleet.core.records.errors import ForbiddenError
from fleet.core.records.leadership import Leadership
from fleet.drivers.leadership import ClusterLease
from fleet.drivers.ports import Cluster, Journal

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
