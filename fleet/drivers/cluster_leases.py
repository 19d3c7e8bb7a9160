"""The leases of all clusters that an executor works on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from fleet.core.records.errors import FleetError
from fleet.drivers.leadership import ClusterLease
from fleet.drivers.pipeline import ClusterPipeline
from fleet.drivers.ports import Journal


class ClusterLeases:
    def __init__(
        self,
        pipelines: Mapping[str, ClusterPipeline],
        identity: str,
        abandoned: Callable[[str], bool],
        journal: Journal,
        seen: str = "",
    ) -> None:
        """`seen`: as of `ClusterLease`."""
        self._leases = {
            name: ClusterLease(pipeline.cluster, identity, abandoned, journal, pipeline.leader_work, seen)
            for name, pipeline in pipelines.items()
        }

    def __getitem__(self, cluster: str) -> ClusterLease:
        return self._leases[cluster]

    def keep(self, changed: Callable[[str], None]) -> list[asyncio.Task[None]]:
        """Renews all leases until the tasks are cancelled. `changed` is called with the cluster whose lease is no longer
        as it was."""
        kept = [lease.keep(partial(changed, name)) for name, lease in self._leases.items()]
        return [asyncio.create_task(each) for each in kept]

    def why_not_led(self, cluster: str) -> str:
        """Returns why this controller must not act on the cluster now; empty: it may."""
        lease = self._leases.get(cluster)
        return lease.why or "its lease is not held" if lease is not None and not lease.valid else ""

    async def why_not_noted(self, cluster: str, place: str) -> str:
        """Returns why this controller must not begin now what must not happen twice; empty: it may, and the cluster's
        lease notes `place`. A journal that has lost that entry is recognized by it."""
        if why := self.why_not_led(cluster):
            return why
        lease = self._leases.get(cluster)
        if lease is None or await lease.note(place):
            return ""
        return lease.why or "its lease does not note the journal's newest entry"

    async def resign(self) -> None:
        """Gives back the leases that are held; one of a cluster that does not answer runs out."""
        for lease in self._leases.values():
            with suppress(FleetError):
                await lease.resign()
