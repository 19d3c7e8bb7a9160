"""Records an operator's decision that a cluster may continue with a journal that lacks entries which the cluster has
seen."""

from __future__ import annotations

import asyncio

from fleet.app.access.allowed import allowed
from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.registry import source_of
from fleet.core.policy.access import Role
from fleet.core.records.errors import HeldError
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import JournalAccepted


def accept(home: Home, name: str, reason: str) -> str:
    """Accepts the place in the journal that the cluster has seen, records the acceptance in the journal, and returns
    the place. Raises HeldError where there is nothing to accept."""
    caller = allowed(home, Role.ADMIN, "accept an older journal")
    row, journal = home.store.clusters.get(name), home.store.journal

    async def look() -> str:
        cluster = (await source_of(home, row).connect()).cluster
        try:
            return await cluster.place()
        finally:
            await cluster.close()

    place = asyncio.run(look())
    if not place or journal.knows(place, name):
        raise HeldError(f"{name} has seen nothing that is not in this journal", "there is nothing to accept")
    accepted = JournalAccepted(cluster=name, place=place, reason=reason)
    journal.append([to_record(accepted)], at=home.now(), actor=caller.actor)
    return place
