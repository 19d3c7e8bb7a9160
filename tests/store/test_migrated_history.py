"""Databases of the time when all objects had their past in their own tables: what they knew is known after the
migration, and nothing else."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.releases.release import Release
from fleet.lab.simulation.builders import START
from fleet.store import Store
from fleet.store.inventory.kinds import MACHINE as MACHINE_KIND
from fleet.store.inventory.kinds import NODE as NODE_KIND
from tests.store.raw import raw, rows
from tests.store.test_schema import at_version, empty

__all__ = ["empty"]

HOUR = timedelta(hours=1)
OLD, NEW = Release("1.0", "sha256:1", "6.1"), Release("2.0", "sha256:2", "6.2")
NODE = Node(
    "n-1",
    "uid-1",
    labels={"pool": "a"},
    boot_id="b-1",
    machine_id="m-1",
    os_image="OS 1",
    kernel="6.1",
    kubelet="v1",
)
UPGRADED = replace(NODE, boot_id="b-2", os_image="OS 2", kernel="6.2")
MACHINE = Machine("n-1", os="rpm-ostree", booted=OLD, boot_id="b-1", kernel="6.1", reported=True)
REBOOTED = replace(MACHINE, booted=NEW, boot_id="b-2", kernel="6.2")
LAST_SEEN = START + 6 * HOUR


def fact(thing: Node | Machine) -> str:
    """Returns the fact as the fleet of that time wrote it, which is as the present one does."""
    return NODE_KIND.fact_of(thing) if isinstance(thing, Node) else MACHINE_KIND.fact_of(thing)


def at(hours: int) -> datetime:
    return START + hours * HOUR


def node_row(node: Node, begin: int, end: int | None, since: int, state: str = "{}") -> str:
    return (
        "INSERT INTO node (cluster, name, uid, fact, state, source, valid_from, valid_to, boot_id, os_image, kernel, "
        f"kubelet, since) VALUES ('east', '{node.name}', '{node.uid}', '{fact(node)}', '{state}', 'sync', "
        f"{_time(begin)}, {_time(end)}, '{node.boot_id}', '{node.os_image}', '{node.kernel}', 'v1', {_time(since)})"
    )


def machine_row(machine: Machine, begin: int, end: int | None, since: int) -> str:
    assert machine.booted is not None
    return (
        "INSERT INTO machine (cluster, name, uid, fact, state, source, valid_from, valid_to, boot_id, os, version, "
        f"digest, kernel, since) VALUES ('east', '{machine.name}', '', '{fact(machine)}', '{{}}', 'watch', "
        f"{_time(begin)}, {_time(end)}, '{machine.boot_id}', '{machine.os}', '{machine.booted.version}', "
        f"'{machine.booted.digest}', '{machine.kernel}', {_time(since)})"
    )


def _time(hours: int | None) -> str:
    return "NULL" if hours is None else f"'{at(hours).isoformat(timespec='microseconds')}'"


POD = (
    "INSERT INTO pod (cluster, namespace, name, uid, node, fact, state, source, valid_from, valid_to) VALUES "
    "('east', 'web', '{}', 'u', 'n-1', '{{\"namespace\":\"web\",\"name\":\"{}\",\"uid\":\"u\"}}', '{{}}', 'sync', {}, {})"
)
STATEMENTS = (
    "INSERT INTO cluster VALUES ('east', 'kubeconfig', '/k', '', 'uid-east', 'v1.36.3', "
    f"{_time(6)}, '', NULL, NULL)",
    "INSERT INTO cluster VALUES ('west', 'kubeconfig', '/k', '', 'uid-west', 'v1.36.3', "
    f"{_time(1)}, 'refused', {_time(2)}, NULL)",
    node_row(NODE, 0, 2, 0, '{"ready":false}'),
    node_row(UPGRADED, 2, None, 2, '{"unschedulable":true}'),
    machine_row(MACHINE, 0, 3, 0),
    machine_row(REBOOTED, 3, None, 3),
    node_row(replace(NODE, name="n-2", uid="uid-2"), 0, 2, 0),
    POD.format("gone", "gone", _time(0), _time(2)),
    POD.format("here", "here", _time(0), "NULL"),
)


@pytest.fixture
def migrated(empty: str) -> Store:
    at_version(empty, "0007")
    with closing(raw(empty)) as connection:
        for statement in STATEMENTS:
            connection.cursor().execute(statement)
        connection.commit()
    return Store.open(empty)


def test_every_interval_of_node_and_machine_is_kept(migrated: Store) -> None:
    with migrated as store:
        found = [
            (row.begin, row.end, row.node, row.machine) for row in store.inventory.history("east", "n-1")
        ]
        unknown = {"ready": None}
        assert found == [
            (at(0), at(2), replace(NODE, **unknown), MACHINE),
            (at(2), at(3), replace(UPGRADED, **unknown), MACHINE),
            (at(3), at(6), replace(UPGRADED, **unknown), REBOOTED),
            (at(6), None, replace(UPGRADED, unschedulable=True), REBOOTED),
        ]
        assert [row.since for row in store.inventory.nodes_at(at(4))] == [at(3)]
        assert [row.name for row in store.inventory.nodes_at(at(1))] == ["n-1", "n-2"]
        assert store.inventory.ends() == {("east", "n-2"): at(2)}


def test_what_is_there_now_is_as_it_was_before(migrated: Store, empty: str) -> None:
    with migrated as store:
        (row,) = store.inventory.nodes()
        assert (row.node, row.machine) == (replace(UPGRADED, unschedulable=True), REBOOTED)
        assert (store.inventory.pods(), row.since) == ({row.ref: 1}, at(3))
        seen = replace(UPGRADED, unschedulable=True)
        assert not store.inventory.note("east", [seen, REBOOTED], [], at=at(7), source="watch")
        assert len(store.inventory.history("east", "n-1")) == 4
    assert rows(empty, "SELECT name FROM pod") == [("here",)]


def test_cluster_was_seen_whenever_a_fact_of_it_was_written(migrated: Store) -> None:
    def seen(hours: int, name: str) -> tuple[datetime | None, str]:
        row = next(row for row in store.clusters.at(at(hours)) if row.name == name)
        return row.last_seen, row.last_error

    with migrated as store:
        assert seen(1, "east") == (at(0), "")
        assert seen(5, "east") == (at(3), "")
        assert seen(6, "east") == (at(6), "")
        assert (seen(1, "west"), seen(3, "west")) == ((at(1), ""), (at(1), "refused"))
