"""Finds the node that each record stands for, by stable identity. Pure: the order of nodes and records has no meaning.

The hardware's UUID and the cloud's id decide where both sides have them, then the machine id, then the name, then an
address. A name or an address never joins what differs in its hardware.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from fleet.core.objects.identity import canonical_uuid
from fleet.core.objects.node import Node, NodeRef
from fleet.core.sources.record import MachineRecord, SourcedRecord

SourceKey = tuple[str, str]
"""The key of a record: that of its machine, and its source."""
Hardware = frozenset[tuple[str, str]]
"""Kind and value of ids that only one machine has."""


class SourceMatching(Struct, frozen=True):
    """All records with the nodes that they stand for: each is in exactly one of the three."""

    of_node: Mapping[NodeRef, tuple[SourcedRecord, ...]]
    alone: tuple[tuple[SourcedRecord, ...], ...]
    """Machines that no cluster has: the records of each, by all sources."""
    ambiguous: tuple[tuple[SourcedRecord, tuple[NodeRef, ...]], ...]
    """Records that may stand for several nodes, or that share a node with another one of their source."""


NO_SOURCES = SourceMatching({}, (), ())


class _Index:
    """Nodes, or groups of records, by what identifies them."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], set[NodeRef]] = defaultdict(set)

    def add(self, ref: NodeRef, keys: Iterable[tuple[str, str]]) -> None:
        for key in keys:
            self._found[key].add(ref)

    def any(self, keys: Iterable[tuple[str, str]]) -> set[NodeRef]:
        return {ref for key in keys for ref in self._found.get(key, ())}


def match(groups: Sequence[Mapping[NodeRef, Node]], records: Collection[SourcedRecord]) -> SourceMatching:
    """Returns which node each record stands for. `groups`: nodes that are different machines; a machine may be a node of
    a cluster and a host without one, and is then in two groups."""
    of_node: dict[NodeRef, tuple[SourcedRecord, ...]] = {}
    several: dict[SourceKey, tuple[SourcedRecord, tuple[NodeRef, ...]]] = {}
    for nodes in groups:
        found, ambiguous = _assigned(nodes, records)
        of_node.update(found)
        several.update({_order(record): (record, refs) for record, refs in ambiguous})
    known = {_order(record) for members in of_node.values() for record in members}
    rest = [record for record in records if _order(record) not in known and _order(record) not in several]
    left = sorted(several.keys() - known)
    return SourceMatching(
        of_node, tuple(_groups(sorted(rest, key=_order))), tuple(several[key] for key in left)
    )


def _assigned(
    nodes: Mapping[NodeRef, Node], records: Iterable[SourcedRecord]
) -> tuple[dict[NodeRef, tuple[SourcedRecord, ...]], list[tuple[SourcedRecord, tuple[NodeRef, ...]]]]:
    """Returns the records of each node, and those that may stand for several, or share one with another of their
    source."""
    index = _Index()
    hardware = {ref: _hardware(node.system_uuid, node.provider_id) for ref, node in nodes.items()}
    for ref, node in nodes.items():
        index.add(ref, hardware[ref])
        index.add(ref, _machine_id(node.machine_id))
        index.add(ref, _names(node.name))
        index.add(ref, (("address", address) for address in node.addresses))
    of_node: dict[NodeRef, list[SourcedRecord]] = defaultdict(list)
    ambiguous: list[tuple[SourcedRecord, tuple[NodeRef, ...]]] = []
    for record in sorted(records, key=_order):
        found = _candidates(record.machine, index, hardware)
        if len(found) == 1:
            of_node[next(iter(found))].append(record)
        elif found:
            ambiguous.append((record, tuple(sorted(found))))
    kept: dict[NodeRef, tuple[SourcedRecord, ...]] = {}
    for ref, members in of_node.items():
        count = Counter(record.source for record in members)
        own = tuple(record for record in members if count[record.source] == 1)
        ambiguous += [(record, (ref,)) for record in members if count[record.source] > 1]
        if own:
            kept[ref] = own
    return kept, ambiguous


def _candidates(machine: MachineRecord, index: _Index, hardware: Mapping[NodeRef, Hardware]) -> set[NodeRef]:
    """Returns the nodes for which the record may stand, by the first kind of identity that names any; of several, those
    that the next kinds name too."""
    own = _hardware_of(machine)
    ways: tuple[Callable[[], Iterable[tuple[str, str]]], ...] = (
        lambda: own,
        lambda: _machine_id(machine.machine_id),
        lambda: _whole_name(machine),
        lambda: _counterpart(machine.name),
        lambda: [("address", address) for address in machine.addresses],
    )
    found: set[NodeRef] = set()
    for keys in ways:
        these = {ref for ref in index.any(keys()) if not _contradict(own, hardware[ref])}
        found = (found & these or found) if found else these
        if len(found) == 1:
            break
    return found


def _groups(records: Sequence[SourcedRecord]) -> Iterator[tuple[SourcedRecord, ...]]:
    """Yields the records of each machine: what shares an id, and then what shares a name without differing in its
    hardware."""
    groups = _joined([[record] for record in records], _hardware_of, lambda members: True)
    groups = _joined(groups, lambda machine: _machine_id(machine.machine_id), _one_hardware)
    groups = _joined(groups, _whole_name, _one_machine)
    yield from sorted(
        (tuple(sorted(group, key=_order)) for group in groups), key=lambda group: _order(group[0])
    )


def _joined(
    groups: Sequence[list[SourcedRecord]],
    keys_of: Callable[[MachineRecord], Iterable[tuple[str, str]]],
    may_join: Callable[[Sequence[SourcedRecord]], bool],
) -> list[list[SourcedRecord]]:
    """Returns the groups, joined where they share a key. Keys are looked at in their order, and all groups that share
    one are joined or none, so that the order of the groups has no meaning."""
    home = {id(record): group for group in groups for record in group}
    by_key: dict[tuple[str, str], list[SourcedRecord]] = defaultdict(list)
    for group in groups:
        for record in group:
            for key in keys_of(record.machine):
                by_key[key].append(record)
    for _, sharing in sorted(by_key.items()):
        parts = {id(home[id(record)]): home[id(record)] for record in sharing}
        together = [record for part in parts.values() for record in part]
        if len(parts) > 1 and may_join(together):
            for record in together:
                home[id(record)] = together
    return list({id(group): group for group in home.values()}.values())


def _one_hardware(records: Sequence[SourcedRecord]) -> bool:
    """Returns whether no two of the records differ in an id of their hardware."""
    ids: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for kind, value in _hardware_of(record.machine):
            ids[kind].add(value)
    return all(len(values) == 1 for values in ids.values())


def _one_machine(records: Sequence[SourcedRecord]) -> bool:
    """Returns whether records with one name may be one machine: no source has two of them."""
    sources = {record.source for record in records}
    return _one_hardware(records) and len(sources) == len(records)


def _contradict(one: Hardware, other: Hardware) -> bool:
    return any(kind == also and value != its for kind, value in one for also, its in other)


def _hardware(system_uuid: str, provider_id: str) -> Hardware:
    uuid = [("uuid", canonical_uuid(system_uuid))] if system_uuid else []
    provider = [("provider", provider_id)] if provider_id else []
    return frozenset([*uuid, *provider])


def _machine_id(machine_id: str) -> list[tuple[str, str]]:
    return [("machine-id", machine_id.replace("-", "").casefold())] if machine_id else []


def _names(name: str) -> list[tuple[str, str]]:
    """Returns the keys of a node's name: the whole name, and by which part of a name it may be meant."""
    return [("name", name.casefold()), *_short(name)]


def _short(name: str) -> list[tuple[str, str]]:
    """Returns the key under which a name and the same name with a domain meet. Two names with domains do not."""
    label, dot, _ = name.casefold().partition(".")
    if not label or _is_address(name):
        return []
    return [("domain" if dot else "plain", label)]


def _counterpart(name: str) -> list[tuple[str, str]]:
    """Returns the key of names that differ from this one by having, or not having, a domain."""
    return [("plain" if kind == "domain" else "domain", label) for kind, label in _short(name)]


def _is_address(name: str) -> bool:
    return all(part.isdigit() for part in name.split("."))


def _hardware_of(machine: MachineRecord) -> Hardware:
    return _hardware(machine.system_uuid, machine.provider_id)


def _whole_name(machine: MachineRecord) -> list[tuple[str, str]]:
    return [("name", machine.name.casefold())] if machine.name else []


def _order(record: SourcedRecord) -> SourceKey:
    return record.machine.key, record.source
