"""Shows what each source says about one node, and where two of them disagree.

A cluster's API server has what the kubelet reports; a Machine has what an agent, or the controller over ssh or by
playbooks, reports of the same machine; spreadsheets and Ansible have what was imported from them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.identity import canonical_uuid
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.releases.osimage import names
from fleet.core.sources.record import SourcedRecord
from fleet.core.text.counts import counted

EVER = datetime.min.replace(tzinfo=UTC)
COMPARED: Mapping[str, Callable[[str], str]] = {
    "machine id": lambda text: text.replace("-", "").casefold(),
    "system uuid": canonical_uuid,
    "provider id": str,
    "kernel": str,
    "site": str.casefold,
    "zone": str.casefold,
}
"""Facts of which one machine has one value, each with the form in which values are compared. Names of operating systems
are written in too many ways."""


class SourcedFact(Struct, frozen=True):
    """One value that one source reports of a node."""

    fact: str
    value: str
    source: str
    """`kubelet`, `agent`, `ssh`, `playbook`, or the name of an imported source."""
    seen: datetime | None
    """When fleet last read the value; of an imported source, when that had it so by its own account. None: never."""
    conflict: str = ""
    """How another source contradicts the value, and what that means. Empty: none does."""


def sourced_facts(
    node: Node | None,
    machine: Machine | None,
    reach: str,
    seen: datetime | None,
    site: str = "",
    records: Sequence[SourcedRecord] = (),
) -> tuple[SourcedFact, ...]:
    """Returns what the sources say of a node, fact by fact. `reach`: how the node's machine is reached. `seen`: when the
    cluster was last read. `site`: where fleet counts it. `records`: what other sources have of the machine."""
    rows: list[tuple[str, str, str]] = []
    if node is not None:
        rows += [
            *((("site", site, "kubelet"), ("zone", node.zone, "kubelet")) if records else ()),
            *((("addresses", ", ".join(node.addresses), "kubelet"),) if records else ()),
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
    facts = [SourcedFact(fact, value, source, seen) for fact, value, source in rows if value]
    facts += [fact for record in records for fact in _of_record(record)]
    conflicts = {
        **dict(_contradictions(facts, {record.source for record in records})),
        **dict(_conflicts(node, machine)),
    }
    facts.sort(key=lambda fact: fact.fact)
    return tuple(replace(fact, conflict=conflicts.get(fact.fact, "")) for fact in facts)


def _of_record(record: SourcedRecord) -> Iterator[SourcedFact]:
    machine = record.machine
    rows = (
        ("name", machine.name),
        ("addresses", ", ".join(machine.addresses)),
        ("machine id", machine.machine_id),
        ("system uuid", machine.system_uuid),
        ("provider id", machine.provider_id),
        *machine.facts.items(),
        *((f"label {key}", value) for key, value in sorted(machine.labels.items())),
    )
    return (SourcedFact(fact, value, record.source, record.seen) for fact, value in rows if value)


def _contradictions(facts: Sequence[SourcedFact], imported: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yields the facts in which an imported source differs from another source, with the value that was seen last."""
    for name, form in COMPARED.items():
        rows = [fact for fact in facts if fact.fact == name and fact.seen is not None]
        values = {form(fact.value) for fact in rows}
        if len(values) < 2 or not any(fact.source in imported for fact in rows):
            continue
        *_, last = sorted(rows, key=lambda fact: (fact.seen or EVER, fact.source))
        others = dict.fromkeys(fact.source for fact in rows if form(fact.value) != form(last.value))
        yield name, f"another value by {' and '.join(others)}; that of {last.source} is newer"


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
