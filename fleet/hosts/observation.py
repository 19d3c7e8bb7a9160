"""Updates the record of a host after an observation, and converts the record to what a driver sees. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from fleet.core.objects.node import (
    ARCHITECTURE_LABEL,
    CLAIMED_TAINT,
    INVENTORY_TAINT,
    NOT_READY_ANNOTATION,
    SITE_LABEL,
    ZONE_LABEL,
    Node,
    Taint,
)
from fleet.hosts.facts import HostFacts
from fleet.hosts.inventory.inventory import HostEntry
from fleet.hosts.ownership import Claim
from fleet.hosts.record import HostRecord


def reached(record: HostRecord, facts: HostFacts, unready: str) -> HostRecord:
    """Returns the record after the host was reached.

    `unready` is the reason why the host does not work; empty: it works. Another machine under the same name starts a
    new record.
    """
    if record.node.uid and record.node.uid != facts.machine_id:
        record = HostRecord.empty(record.node.name)
    node = replace(
        record.node,
        uid=facts.machine_id,
        ready=not unready,
        annotations=_annotations_with(record.node, unready),
        boot_id=facts.boot_id,
        machine_id=facts.machine_id,
        os_image=facts.os_image,
        kernel=facts.kernel,
        labels={ARCHITECTURE_LABEL: facts.architecture} if facts.architecture else {},
    )
    machine = record.machine
    if machine.uid != facts.machine_id:
        machine = replace(machine, uid=facts.machine_id)
    return replace(record, node=node, machine=machine, claim=facts.claim)


def unreachable(record: HostRecord, why: str) -> HostRecord:
    """Returns the record of a host that was not reached: the last observation stays, and counts as outdated."""
    return replace(
        record, node=replace(record.node, ready=None, annotations=_annotations_with(record.node, why))
    )


def node_of(record: HostRecord, host: HostEntry, own: Claim | None) -> Node:
    """Returns the node of a host, with the settings that the inventory has for the host.

    `own` is the claim by which the host would be this fleet's. The claim of another fleet counts as a cordon.
    """
    labels = record.node.labels | host.labels
    if host.zone:
        labels[ZONE_LABEL] = host.zone
    if host.site:
        labels[SITE_LABEL] = host.site
    addresses = (host.address,) if host.address else ()
    taints = record.node.taints
    if own is not None and record.claim is not None and record.claim.fleet != own.fleet:
        taints = (*taints, Taint(CLAIMED_TAINT, "NoSchedule", record.claim.message))
    if host.cordoned:
        taints = (*taints, Taint(INVENTORY_TAINT, "NoSchedule"))
    if taints == record.node.taints:
        return replace(record.node, labels=labels, addresses=addresses)
    return replace(record.node, labels=labels, addresses=addresses, taints=taints, unschedulable=True)


def busy(record: HostRecord) -> bool:
    """Returns whether an action is in progress on the host, so that the host is observed more often."""
    request = record.machine.request
    answer = record.machine.answer(request.token) if request is not None else None
    unanswered = request is not None and (answer is None or answer.state == "working")
    return unanswered or bool(record.node.cordoned_by) or bool(record.hooked)


def _annotations_with(node: Node, why: str) -> dict[str, str]:
    rest = {key: value for key, value in node.annotations.items() if key != NOT_READY_ANNOTATION}
    return rest | ({NOT_READY_ANNOTATION: why} if why else {})
