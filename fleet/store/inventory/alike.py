"""Reads the nodes of a fleet by what many of them have in common, decoding no more of each than tells them apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct

from fleet.core.objects.known_node import AlikeNodes
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import SITE_LABEL, Node
from fleet.core.policy.policy import site_of
from fleet.core.records.errors import StoreError
from fleet.store.db.database import TAMPERED, Row, SqlDatabase, Transaction
from fleet.store.history import documents, parts, reading
from fleet.store.inventory import facts
from fleet.store.inventory.clusters import first_sites
from fleet.store.inventory.kinds import MACHINE, NODE, whole

ChooseLabels = Callable[[Mapping[str, str]], tuple[tuple[str, str], ...]]
"""Returns the labels that decide which pool a node is in."""


class _NodePart(Struct, frozen=True, gc=False):
    """Has what tells nodes apart."""

    labels: dict[str, str] = {}
    unschedulable: bool = False
    ready: bool | None = True
    os_image: str = ""
    kernel: str = ""
    kubelet: str = ""


class _MachinePart(Struct, frozen=True, gc=False):
    """Has what tells machines apart: equal texts are of equal values."""

    booted: Raw = Raw()
    units: Raw = Raw()
    layered: Raw = Raw()
    live_patches: Raw = Raw()
    kernel: str = ""


_NODE = msgspec.json.Decoder(_NodePart).decode
_MACHINE = msgspec.json.Decoder(_MachinePart).decode
_COLUMNS = ("cluster", "name", "fact", "state")


class SqlAlikeNodes:
    """All nodes of the fleet, and machines without a node: those together that are alike."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def read(self, choose: ChooseLabels, at: datetime | None = None) -> list[AlikeNodes]:
        """Returns them as they were seen last, or as they were known at a past moment, ordered by cluster and first name.
        `choose`: the labels that decide in which pool a node is. Units have no history: at a past moment they are None.
        """
        with self._database.read() as transaction:
            sites = first_sites(transaction)
            if at is None:
                found = _now(transaction, sites, choose)
            else:
                found = _as_of(transaction, self._database.bind(at), sites, choose)
        return sorted(found, key=lambda alike: (alike.cluster, alike.name))


def _now(transaction: Transaction, sites: Mapping[str, str], choose: ChooseLabels) -> list[AlikeNodes]:
    nodes = facts.now(transaction, NODE, None, *_COLUMNS)
    machines = {(row[0], row[1]): row for row in facts.now(transaction, MACHINE, None, *_COLUMNS)}
    groups: dict[tuple[Any, ...], tuple[list[str], Row | None, Row | None]] = {}
    try:
        for row in nodes:
            of, name, fact, state = row
            machine = machines.pop((of, name), None)
            part = _NODE(whole(fact, state))
            labels, site = part.labels, part.labels.get(SITE_LABEL)
            key: tuple[Any, ...] = (
                *(of, site, choose(labels), part.unschedulable, part.ready, part.os_image, part.kernel),
                *(part.kubelet, None if machine is None else _machine_key(machine)),
            )
            if (found := groups.get(key)) is None:
                groups[key] = [name], row, machine
            else:
                found[0].append(name)
        for (of, name), machine in machines.items():
            key = of, _machine_key(machine)
            groups.setdefault(key, ([], None, machine))[0].append(name)
    except (msgspec.DecodeError, TypeError) as error:
        raise StoreError(f"a row of nodes cannot be read: {error}", TAMPERED) from None
    return [
        _alike(
            key[0],
            sites,
            names,
            None if node is None else NODE.thing(node[2], node[3]),
            None if machine is None else MACHINE.thing(machine[2], machine[3]),
        )
        for key, (names, node, machine) in groups.items()
    ]


def _as_of(
    transaction: Transaction, at: Any, sites: Mapping[str, str], choose: ChooseLabels
) -> list[AlikeNodes]:
    groups: dict[tuple[Any, ...], tuple[list[str], Row]] = {}
    try:
        for row in reading.profiles_as_of(transaction, at):
            of, name, profile, software, condition, machine, own = row
            chosen: tuple[Any, ...] = ()
            if profile is not None:
                labels = _NODE(profile).labels
                chosen = labels.get(SITE_LABEL), choose(labels)
            key = of, chosen, profile is None, software, condition, machine, own is None
            if (found := groups.get(key)) is None:
                groups[key] = [name], row
            else:
                found[0].append(name)
    except (msgspec.DecodeError, TypeError) as error:
        raise StoreError(f"a text of the history cannot be read: {error}", TAMPERED) from None
    shared = {ident for _, row in groups.values() for ident in row[3:] if ident is not None}
    texts = documents.bodies(transaction, shared)
    alike = []
    for key, (names, row) in groups.items():
        software, condition, machine, own = (None if ident is None else texts[ident] for ident in row[3:])
        whole_row = (row[2], None, software, condition, own, None, machine)
        alike.append(_alike(key[0], sites, names, parts.node_of(whole_row), parts.machine_of(whole_row)))
    return alike


def _machine_key(row: Row) -> tuple[Any, ...]:
    part = _MACHINE(whole(row[2], row[3]))
    return bytes(part.booted), bytes(part.units), bytes(part.layered), bytes(part.live_patches), part.kernel


def _alike(
    cluster: str, sites: Mapping[str, str], names: Sequence[str], node: Node | None, machine: Machine | None
) -> AlikeNodes:
    site = sites.get(cluster, "")
    return AlikeNodes(cluster, site if node is None else site_of(node, site), sorted(names), node, machine)
