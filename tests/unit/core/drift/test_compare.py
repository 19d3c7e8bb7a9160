"""Nodes beside their stream, and beside the majority of their pool."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.core.drift.compare import drift, part
from fleet.core.drift.drift_report import DriftReport
from fleet.core.drift.kernel_arguments import differences, shared_arguments
from fleet.core.policy.policy import Policy, Pool
from fleet.core.releases.release import Release, Stream
from fleet.core.reporting.node_state import StatusNode

NOW = datetime(2026, 11, 30, tzinfo=UTC)
RELEASE = Release("1.0", "sha256:1", "6.12.9")
POLICY = Policy(streams=(Stream("stable", (RELEASE,)),), pools=(Pool("workers", stream="stable"),))
NODE = StatusNode(
    cluster="east",
    site="fra",
    zone="a",
    pool="workers",
    name="w-1",
    os="Some OS 1.0",
    version="1.0",
    kernel="6.12.9",
    booted="sha256:1",
    staged="",
    target="1.0",
    state="patched",
    kubelet="v1.36.3",
    kernel_arguments="BOOT_IMAGE=/a root=UUID=1 quiet",
    systemd="running",
)


def nodes(count: int, **changes: object) -> list[StatusNode]:
    first = [
        replace(NODE, name=f"w-{number}", kernel_arguments=f"root=UUID={number} quiet")
        for number in range(count)
    ]
    return [*first, replace(first[0], name="odd", **changes)] if changes else first


def found(members: list[StatusNode], policy: Policy = POLICY) -> list[tuple[str, str, str, str]]:
    return [(one.node, one.kind, one.expected, one.found) for one in drift(members, policy, NOW).findings]


def report(members: list[StatusNode]) -> DriftReport:
    return drift(members, POLICY, NOW)


def test_pool_that_is_the_same_has_no_drift() -> None:
    assert report(nodes(4)) == DriftReport(NOW, 4, (), (), 0, 4)


@pytest.mark.parametrize(
    ("changes", "kind", "expected", "value"),
    [
        ({"booted": "sha256:2"}, "digest", "sha256:1", "sha256:2"),
        ({"version": "0.9", "booted": "sha256:2"}, "release", "stream stable", "0.9"),
        ({"kernel": "6.12.10"}, "kernel", "6.12.9", "6.12.10"),
        ({"kubelet": "v1.35.0"}, "kubelet", "v1.36.3", "v1.35.0"),
        ({"layered": ("strace", "htop")}, "layered", "", "htop strace"),
        ({"kernel_arguments": "root=UUID=9 mitigations=off"}, "kernel-arguments", "quiet", "mitigations=off"),
        ({"failed_units": ("smartd.service",)}, "failed-units", "running", "smartd.service"),
    ],
)
def test_node_that_differs_is_found_once(
    changes: dict[str, object], kind: str, expected: str, value: str
) -> None:
    assert found(nodes(4, **changes)) == [("odd", kind, expected, value)]


def test_basis_counts_the_nodes_that_agree() -> None:
    (one,) = report(nodes(4, layered=("strace",))).findings
    assert one.basis == "4 of 5 nodes"


def test_without_a_majority_nothing_is_called_drift() -> None:
    two = [replace(node, layered=("htop",)) for node in nodes(2)]
    split = report([*two, *(replace(node, name=f"x-{node.name}") for node in nodes(2))])
    assert split.findings == ()
    assert [(one.kind, one.variants) for one in split.undecided] == [("layered", (("htop", 2), ("", 2)))]


def test_of_two_nodes_neither_is_the_odd_one() -> None:
    assert report(nodes(1, layered=("htop",))).findings == ()


def test_what_is_not_reported_is_not_compared() -> None:
    silent = replace(
        NODE, name="odd", version="", booted="", kernel_arguments="", systemd="", kernel="", kubelet=""
    )
    answer = report([*nodes(3), silent])
    assert (answer.findings, answer.not_reported) == ((), 1)


def test_architectures_have_kernels_of_their_own() -> None:
    policy = Policy(pools=(Pool("workers"),))
    arm = [replace(NODE, name=f"a-{number}", kernel="6.12.9-200.fc41.aarch64") for number in range(2)]
    amd = [replace(NODE, name=f"b-{number}", kernel="6.12.9-200.fc41.x86_64") for number in range(4)]
    assert found([*arm, *amd], policy) == []


def test_machines_without_a_node_are_left_out() -> None:
    assert report(nodes(3, state="orphan", kernel="5.0")).nodes == 3


def test_arguments_of_one_machine_are_not_compared() -> None:
    line = (
        "BOOT_IMAGE=(hd0,gpt3)/boot/ostree/a ostree=/ostree/boot.1/a/b/0 root=UUID=1 rw quiet ip=10.0.0.1::::"
    )
    assert shared_arguments(line) == ("quiet", "rw")
    assert differences("quiet rw", "rw mitigations=off") == "+mitigations=off -quiet"


@given(st.lists(st.sampled_from(["", "htop", "strace"]), min_size=1, max_size=12))
def test_nodes_found_are_a_minority(packages: list[str]) -> None:
    members = [
        replace(NODE, name=f"w-{number}", layered=(name,) if name else ())
        for number, name in enumerate(packages)
    ]
    answer = report(members)
    assert len(answer.findings) * 2 < len(members)
    assert not (answer.findings and answer.undecided)


def test_part_of_a_fleet_counts_its_own_nodes() -> None:
    silent = replace(NODE, name="s-1", pool="storage", version="", kernel_arguments="")
    split = [replace(NODE, name=f"x-{number}", pool="split", layered=(str(number),)) for number in range(4)]
    members = [*nodes(4, kubelet="v1.20.0"), silent, *split]
    whole = report(members)
    chosen = part(whole, members[:2])
    assert (whole.nodes, whole.etc_unknown, whole.not_reported, len(whole.findings)) == (10, 9, 1, 1)
    assert [one.pool for one in whole.undecided] == ["split"]
    assert chosen == DriftReport(NOW, 2, (), (), 0, 2)
    assert part(whole, split).undecided == whole.undecided
    assert part(whole, members) == whole
