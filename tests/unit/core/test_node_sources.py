"""What the kubelet and the agent say of one node."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.releases.release import Release
from fleet.core.reporting.past.sources import sourced_facts

NOW = datetime(2026, 11, 30, tzinfo=UTC)
NODE = Node("w-1", "uid-1", boot_id="b-1", kernel="6.12.9", os_image="Some OS 1.0", kubelet="v1.36.3")
MACHINE = Machine(
    "w-1", reported=True, boot_id="b-1", kernel="6.12.9", os="rpm-ostree", booted=Release("1.0", "sha256:1")
)


def conflicts(node: Node | None, machine: Machine | None) -> set[str]:
    return {one.fact for one in sourced_facts(node, machine, "agent", NOW) if one.conflict}


def test_each_value_has_its_source_and_age() -> None:
    found = sourced_facts(NODE, MACHINE, "ssh", NOW)
    assert {(one.value, one.source) for one in found if one.fact == "kernel"} == {
        ("6.12.9", "kubelet"),
        ("6.12.9", "ssh"),
    }
    assert {one.seen for one in found} == {NOW}
    assert {one.source for one in found if one.fact == "kubelet"} == {"kubelet"}
    assert conflicts(NODE, MACHINE) == set()


def test_boots_that_differ_are_a_conflict() -> None:
    later = replace(MACHINE, boot_id="b-2", kernel="6.12.10")
    assert conflicts(NODE, later) == {"boot id", "kernel"}


def test_kernels_that_differ_in_one_boot_are_a_conflict() -> None:
    assert conflicts(NODE, replace(MACHINE, kernel="6.12.10")) == {"kernel"}


def test_kubelet_that_names_the_staged_release_contradicts_the_agent() -> None:
    staged = replace(MACHINE, staged=Release("1.1"))
    assert conflicts(replace(NODE, os_image="Some OS 1.1"), staged) == {"release"}
    assert conflicts(NODE, staged) == set()


def test_what_nobody_reports_is_left_out() -> None:
    assert sourced_facts(None, None, "agent", None) == ()
    assert sourced_facts(NODE, replace(MACHINE, reported=False), "agent", NOW) == sourced_facts(
        NODE, None, "agent", NOW
    )
