"""What each source says about one node, and where two of them disagree.

A cluster's API server has what the kubelet reports; a Machine has what an agent, or the controller over ssh or by
playbooks, reports of the same machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.releases.osimage import names
from fleet.core.text.counts import counted


class SourcedFact(Struct, frozen=True):
    """One value that one source reports of a node."""

    fact: str
    value: str
    source: str
    """`kubelet`, `agent`, `ssh` or `playbook`."""
    seen: datetime | None
    """When fleet last read the value. None: never."""
    conflict: str = ""
    """How another source contradicts the value, and what that means. Empty: none does."""


def sourced_facts(
    node: Node | None, machine: Machine | None, reach: str, seen: datetime | None
) -> tuple[SourcedFact, ...]:
    """Returns what the sources say of a node, fact by fact. `reach`: how the node's machine is reached. `seen`: when the
    cluster was last read."""
    conflicts = dict(_conflicts(node, machine))
    rows: list[tuple[str, str, str]] = []
    if node is not None:
        rows += [
            ("boot id", node.boot_id, "kubelet"),
            ("kernel", node.kernel, "kubelet"),
            ("os", node.os_image, "kubelet"),
            ("kubelet", node.kubelet, "kubelet"),
            ("machine id", node.machine_id, "kubelet"),
            ("system uuid", node.system_uuid, "kubelet"),
            ("provider id", node.provider_id, "kubelet"),
        ]
    if machine is not None and machine.reported:
        booted = machine.booted
        rows += [
            ("boot id", machine.boot_id, reach),
            ("kernel", machine.kernel, reach),
            ("os", machine.os, reach),
            ("release", booted.version if booted is not None else "", reach),
            ("digest", booted.digest if booted is not None else "", reach),
            ("kernel arguments", machine.kernel_arguments, reach),
            ("layered", ", ".join(machine.layered), reach),
            ("changed in /etc", _changed(machine), reach),
            ("live patches", ", ".join(machine.live_patches), reach),
        ]
    return tuple(
        SourcedFact(fact, value, source, seen, conflicts.get(fact, ""))
        for fact, value, source in sorted(rows, key=lambda row: row[0])
        if value
    )


def _changed(machine: Machine) -> str:
    if machine.etc is None:
        return ""
    return counted(len(machine.etc.changed) + machine.etc.more, "file")


def _conflicts(node: Node | None, machine: Machine | None) -> Iterator[tuple[str, str]]:
    if node is None or machine is None or not machine.reported:
        return
    rebooted = bool(node.boot_id and machine.boot_id) and node.boot_id != machine.boot_id
    if rebooted:
        yield "boot id", "one of the two was read before the last boot: fleet sync reads both again"
    if node.kernel and machine.kernel and node.kernel != machine.kernel:
        yield (
            "kernel",
            "as the boot ids: one was read before the last boot"
            if rebooted
            else ("both report the same boot: the Machine may be that of another node"),
        )
    version = machine.booted.version if machine.booted is not None else ""
    other = version and machine.staged is not None and names(node.os_image, machine.staged.version)
    if other and not names(node.os_image, version):
        yield "release", "the kubelet names the staged release, which the machine has not booted by its agent"
