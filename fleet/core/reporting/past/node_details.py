"""All that is known of one node now. The struct is the published JSON (`docs/schemas/node.json`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.reporting.node_state import StatusNode
from fleet.core.reporting.past.node_life import OTHER_PARTY, named
from fleet.core.reporting.past.sources import SourcedFact, sourced_facts
from fleet.core.sources.record import SourcedRecord


class NodeDetails(Struct, frozen=True):
    """All that is known of one node now."""

    status: StatusNode
    first_seen: datetime | None
    """When the inventory first had a node or machine of that name. Null: its history is not kept."""
    boot_id: str = ""
    machine_id: str = ""
    system_uuid: str = ""
    provider_id: str = ""
    addresses: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    taints: tuple[str, ...] = ()
    cordoned_by: str = ""
    """The rollout that has cordoned the node, or `another party`. Empty: the node is not cordoned."""
    os_family: str = ""
    """The OS family that the agent detected. Empty: no agent reports the machine."""
    rollback: str = ""
    """The version of the release that the machine would boot after a rollback."""
    rollouts: tuple[str, ...] = ()
    """The rollouts that the node was in, oldest first."""
    sources: tuple[SourcedFact, ...] = ()
    """What each source says of the node, with conflicts between them."""


def details(
    status: StatusNode,
    node: Node | None,
    machine: Machine | None,
    first_seen: datetime | None,
    rollouts: Sequence[str],
    reach: str,
    records: Sequence[SourcedRecord] = (),
) -> NodeDetails:
    """Returns what is known of the node, from its Node object and its Machine. `reach`: how the machine is
    reached. `records`: what other sources have of it."""
    sources = sourced_facts(node, machine, reach, status.last_seen, status.site, records)
    family = machine.os if machine is not None else ""
    rollback = named(machine.rollback) if machine is not None and machine.rollback is not None else ""
    if node is None:
        return NodeDetails(
            status, first_seen, os_family=family, rollback=rollback, rollouts=tuple(rollouts), sources=sources
        )
    return NodeDetails(
        status=status,
        first_seen=first_seen,
        boot_id=node.boot_id,
        machine_id=node.machine_id,
        system_uuid=node.system_uuid,
        provider_id=node.provider_id,
        addresses=node.addresses,
        labels=node.labels,
        taints=tuple(
            f"{taint.key}{f'={taint.value}' if taint.value else ''}:{taint.effect}" for taint in node.taints
        ),
        cordoned_by=(node.cordoned_by or OTHER_PARTY) if node.unschedulable else "",
        os_family=family,
        rollback=rollback,
        rollouts=tuple(rollouts),
        sources=sources,
    )
