"""Which machine a Node object stands for. A cloud controller deletes the Node of a machine that is down and the kubelet
registers it again: under the same name, with another uid, and it is the same machine.

Source: `status.nodeInfo.machineID`, `status.nodeInfo.systemUUID` and `spec.providerID` of the Node.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node

Identity = tuple[str, ...]
"""Machine id, system UUID, provider id; each is empty where it is not known. Empty as a whole: nothing is."""

HEX_DIGITS = 32


def of(node: Node) -> Identity:
    return node.machine_id, node.system_uuid, node.provider_id


def same(before: Identity, node: Node) -> bool:
    """The node is the machine that was known by `before`. False where nobody can tell.

    The hardware's UUID and the cloud's id decide where both sides tell them; a machine id may change with an image
    that makes a new one at each boot, and images that were copied share one.
    """
    if not before:
        return False
    machine, system, provider = before
    hardware = [
        _uuid(told) in _orders(now) if uuid else told == now
        for told, now, uuid in ((system, node.system_uuid, True), (provider, node.provider_id, False))
        if told and now
    ]
    if hardware:
        return all(hardware)
    return bool(machine) and machine == node.machine_id


def elsewhere(before: Identity, name: str, nodes: Iterable[Node]) -> str:
    """The name of another Node object for that machine; empty: there is none."""
    return next((node.name for node in nodes if node.name != name and same(before, node)), "")


def remembered(node: Node, machine: Machine | None) -> dict[str, Any]:
    """What the journal keeps of a node that is about to reboot, to know it again. For the detail of the step."""
    known: dict[str, Any] = {"identity": list(of(node))} if any(of(node)) else {}
    if machine is not None and machine.units is not None and machine.units.failed:
        known["failed_units"] = list(machine.units.failed)
    return known


def _uuid(text: str) -> str:
    return text.replace("-", "").casefold()


def _orders(text: str) -> set[str]:
    """The UUID in both byte orders: firmware stores its first three groups the other way round than some kernels and
    hypervisors print them, and an upgrade may change who does."""
    plain = _uuid(text)
    if len(plain) != HEX_DIGITS:
        return {plain}
    swapped = "".join(_reversed(plain[begin:end]) for begin, end in ((0, 8), (8, 12), (12, 16)))
    return {plain, swapped + plain[16:]}


def _reversed(digits: str) -> str:
    """Byte by byte."""
    return "".join(digits[at : at + 2] for at in range(len(digits) - 2, -1, -2))
