"""Why a cluster's lease is not ours is told with what to do about that."""

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


def test_a_lease_that_may_not_be_written_names_the_missing_rule() -> None:
    async def renew() -> ClusterLease:
        lease = ClusterLease(
            cast(Cluster, Forbidding()), "a", lambda _: False, cast(Journal, cast(Any, None))
        )
        assert not await lease.renew() and not lease.valid
        return lease

    why = asyncio.run(renew()).why
    assert "cannot update" in why and RULE in why
