"""Recognizes the machine that a Node object stands for.

A cloud controller deletes the Node of a machine that is down, and the kubelet registers the machine again: under the
same name, with another uid, but the machine is the same.

Source: `status.nodeInfo.machineID`, `status.nodeInfo.systemUUID` and `spec.providerID` of the Node.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node

Identity = tuple[str, ...]
"""Machine id, system UUID and provider id; each is an empty string if it is not known. An empty tuple if none is
known."""

HEX_DIGITS = 32
"""Number of hexadecimal digits in a UUID."""


def of(node: Node) -> Identity:
    """Returns the identity of the machine that the Node object reports."""
    return node.machine_id, node.system_uuid, node.provider_id


def same(before: Identity, node: Node) -> bool:
    """Returns whether the node is the machine that was known by `before`; False if that cannot be decided.

    The hardware's UUID and the cloud's provider id decide if both sides report them. The machine id decides only
    otherwise: it may change with an image that makes a new one at each boot, and machines made from copied images share
    one.
    """
    if not before:
        return False
    machine, system, provider = before
    hardware = [
        _uuid(known) in _byte_orders(now) if uuid else known == now
        for known, now, uuid in ((system, node.system_uuid, True), (provider, node.provider_id, False))
        if known and now
    ]
    if hardware:
        return all(hardware)
    return bool(machine) and machine == node.machine_id


def elsewhere(before: Identity, name: str, nodes: Iterable[Node]) -> str:
    """Returns the name of another Node object for the machine known by `before`; empty if there is none."""
    return next((node.name for node in nodes if node.name != name and same(before, node)), "")


def remembered(node: Node, machine: Machine | None) -> dict[str, Any]:
    """Returns what the journal keeps of a node that is about to reboot, so that fleet recognizes its machine
    afterwards. The mapping goes into the detail of the step's journal record: `identity`, and `failed_units` before the
    reboot."""
    detail: dict[str, Any] = {"identity": list(of(node))} if any(of(node)) else {}
    if machine is not None and machine.units is not None and machine.units.failed:
        detail["failed_units"] = list(machine.units.failed)
    return detail


def canonical_uuid(text: str) -> str:
    """Returns one text for both byte orders of a UUID."""
    return min(_byte_orders(text))


def _uuid(text: str) -> str:
    """Returns the UUID without hyphens, in lower case."""
    return text.replace("-", "").casefold()


def _byte_orders(text: str) -> set[str]:
    """Returns the UUID in both byte orders. Firmware stores the first three groups of a UUID in the byte order opposite
    to the one in which some kernels and hypervisors print them, and an upgrade may change which order is reported."""
    plain = _uuid(text)
    if len(plain) != HEX_DIGITS:
        return {plain}
    swapped = "".join(_reversed(plain[begin:end]) for begin, end in ((0, 8), (8, 12), (12, 16)))
    return {plain, swapped + plain[16:]}


def _reversed(digits: str) -> str:
    """Returns the hexadecimal digits with their bytes (pairs of digits) in reverse order."""
    return "".join(digits[at : at + 2] for at in range(len(digits) - 2, -1, -2))
