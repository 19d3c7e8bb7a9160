"""Records beside nodes: by stable identity, whatever their order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.objects.node import Node, NodeRef
from fleet.core.sources.matching import SourceMatching, match
from fleet.core.sources.record import MachineRecord, SourcedRecord

SEEN = datetime(2026, 11, 1, tzinfo=UTC)
U1, U2 = "4c4c4544-0043-3010-8052-b4c04f564231", "4c4c4544-0043-3010-8052-b4c04f564232"
SWAPPED = "44454c4c-4300-1030-8052-b4c04f564231"
"""U1 in the other order of bytes."""
M1, M2 = "1" * 32, "2" * 32


def node(name: str, uuid: str = "", machine_id: str = "", provider: str = "", *addresses: str) -> Node:
    return Node(
        name,
        f"uid-{name}",
        system_uuid=uuid,
        machine_id=machine_id,
        provider_id=provider,
        addresses=addresses,
    )


def nodes(*members: Node, cluster: str = "east") -> dict[NodeRef, Node]:
    return {NodeRef(cluster, each.name): each for each in members}


def record(source: str = "cmdb", **fields: object) -> SourcedRecord:
    return SourcedRecord(source, SEEN, MachineRecord(**fields))  # type: ignore[arg-type]


def matched(found: SourceMatching) -> dict[str, list[str]]:
    return {ref.name: [one.shown for one in members] for ref, members in found.of_node.items()}


@pytest.mark.parametrize(
    ("there", "has"),
    [
        (node("w-1", uuid=U1), record(name="other", system_uuid=U1.upper())),
        (node("w-1", uuid=U1), record(name="other", system_uuid=SWAPPED)),
        (node("w-1", provider="aws:///a/i-1"), record(name="other", provider_id="aws:///a/i-1")),
        (node("w-1", uuid=U1, machine_id=M1), record(name="other", machine_id=M1)),
        (node("w-1"), record(name="W-1")),
        (node("w-1", uuid=U1), record(name="w-1", machine_id="3" * 32)),
        (node("w-1"), record(name="w-1.fra.example.com")),
        (node("w-1.fra.example.com"), record(name="w-1")),
        (node("w-1", "", "", "", "10.0.0.1"), record(name="till", addresses=("10.0.0.1",))),
    ],
)
def test_record_is_the_node_that_shares_its_identity(there: Node, has: SourcedRecord) -> None:
    found = match([nodes(there, node("w-2", U2, M2))], [has])
    assert matched(found) == {there.name: [has.shown]}


@pytest.mark.parametrize(
    ("there", "has"),
    [
        (node("w-1", uuid=U1), record(name="w-1", system_uuid=U2)),
        (node("w-1", uuid=U1, machine_id=M1), record(name="w-1", system_uuid=U2, machine_id=M1)),
        (node("w-1", U1, "", "", "10.0.0.1"), record(system_uuid=U2, addresses=("10.0.0.1",))),
        (node("w-1.fra.example.com"), record(name="w-1.nyc.example.com")),
        (node("10.0.0.1"), record(name="10.0.0.2")),
    ],
)
def test_other_hardware_is_another_machine_whatever_its_name(there: Node, has: SourcedRecord) -> None:
    found = match([nodes(there)], [has])
    assert found == SourceMatching({}, ((has,),), ())


def test_name_in_two_clusters_is_ambiguous_unless_something_else_decides() -> None:
    both = nodes(node("w-1", U1)) | nodes(node("w-1", U2), cluster="west")
    unsure = record(name="w-1")
    assert match([both], [unsure]).ambiguous == ((unsure, (NodeRef("east", "w-1"), NodeRef("west", "w-1"))),)
    assert list(match([both], [record(name="w-1", system_uuid=U2)]).of_node) == [NodeRef("west", "w-1")]


def test_name_decides_between_machines_that_share_a_copied_machine_id() -> None:
    both = nodes(node("w-1", machine_id=M1), node("w-2", machine_id=M1))
    assert matched(match([both], [record(name="w-2", machine_id=M1)])) == {"w-2": ["w-2"]}


def test_two_records_of_one_source_are_not_one_node() -> None:
    two = [record(name="w-1.fra.example.com"), record(name="w-1.nyc.example.com")]
    found = match([nodes(node("w-1"))], two)
    assert found.of_node == {}
    assert [one for one, _ in found.ambiguous] == two


def test_machine_that_is_a_node_and_a_host_has_its_record_at_both() -> None:
    hosts = nodes(node("w-1"), cluster="machines")
    found = match([hosts, nodes(node("w-1"))], [record(name="w-1")])
    assert set(found.of_node) == {NodeRef("machines", "w-1"), NodeRef("east", "w-1")}


def test_machine_that_two_sources_have_and_no_cluster_is_one() -> None:
    cmdb, facts = record(name="w-9", system_uuid=U1), record("ansible", name="w-9")
    assert match([{}], [cmdb, facts]).alone == ((facts, cmdb),)
    other = record("ansible", name="w-9", system_uuid=U2)
    assert match([{}], [cmdb, other]).alone == ((other,), (cmdb,))


SOME = st.sampled_from
RECORDS = st.lists(
    st.builds(
        lambda source, name, uuid, machine_id, provider: record(
            source, name=name, system_uuid=uuid, machine_id=machine_id, provider_id=provider
        ),
        SOME(["a", "b", "c"]),
        SOME(["w-1", "w-2", "w-2.fra.x", "w-2.nyc.x", ""]),
        SOME(["", U1, SWAPPED, U2]),
        SOME(["", M1, M2]),
        SOME(["", "p-1", "p-2"]),
    ).filter(lambda one: bool(one.machine.key)),
    max_size=6,
    unique_by=lambda one: (one.source, one.machine.key),
)
NODES = st.lists(
    st.builds(
        node, SOME(["w-1", "w-2", "w-3"]), SOME(["", U1, U2]), SOME(["", M1, M2]), SOME(["", "p-1", "p-2"])
    ),
    max_size=3,
    unique_by=lambda one: one.name,
)


def everywhere(found: SourceMatching) -> list[SourcedRecord]:
    return [
        *(one for members in found.of_node.values() for one in members),
        *(one for members in found.alone for one in members),
        *(one for one, _ in found.ambiguous),
    ]


def named(records: Sequence[SourcedRecord]) -> list[tuple[str, str]]:
    return sorted((one.source, one.machine.key) for one in records)


@given(NODES, RECORDS, st.randoms())
def test_order_has_no_meaning_and_every_record_is_in_one_place(
    members: list[Node], records: list[SourcedRecord], random: st.DataObject
) -> None:
    found = match([nodes(*members)], records)
    assert named(everywhere(found)) == named(records)
    again, other = list(records), list(members)
    random.shuffle(again)  # type: ignore[attr-defined]
    random.shuffle(other)  # type: ignore[attr-defined]
    assert match([nodes(*other)], again) == found
