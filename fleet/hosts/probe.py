"""Observes one host once, with its operating system; nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from fleet.hosts import facts, hooks, observation
from fleet.hosts.inventory.inventory import HostEntry
from fleet.hosts.record import HostRecord
from fleet.machines.agent.status import described, identified
from fleet.machines.families.detect import detect
from fleet.machines.families.registry import connect
from fleet.machines.host import Host


async def survey(record: HostRecord, host: HostEntry, way: Host, variables: Mapping[str, str]) -> HostRecord:
    """Returns the record that the host would have now. Raises FleetError where the host is not reached or its family
    is unknown."""
    found = await facts.read_facts(way)
    unready = found.unready
    if not unready and host.ready is not None:
        unready = await hooks.ready(host.ready, way, variables)
    now = observation.reached(record, found, unready)
    system = connect(await detect(way), way, host.source, host.name)
    return replace(now, machine=described(now.machine, identified(await system.observe()), now.machine.work))
