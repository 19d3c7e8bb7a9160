"""How far versions may be apart: tables, and rollouts whose release brings a kubelet."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.cluster.version_skew import MinorVersion, minor_of, skews
from fleet.core.guards import kubelet_skew as guard
from fleet.core.linting.lint import lint
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.policy.policy import Amount, Limits, Policy
from fleet.core.quorum.quorum import Member, Quorum
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Reboot, Stage
from fleet.core.rollout.event import ClusterSynced, Deleted, Upserted
from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import NEW, START, a_node, a_policy, a_pool, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.golden import GoldenFiles
from tests.simulated_rollout import SimulatedRollout


@pytest.mark.parametrize(
    ("version", "minor"),
    [
        ("v1.36.3", MinorVersion(1, 36)),
        ("1.36", MinorVersion(1, 36)),
        ("v1.30.1-rke2r1-build20240515", MinorVersion(1, 30)),
        ("v1.31.4+k3s1", MinorVersion(1, 31)),
        ("3.5.17", MinorVersion(3, 5)),
        ("", None),
        ("latest", None),
        ("v1", None),
        ("v1.x.3", None),
    ],
)
def test_minor_version(version: str, minor: MinorVersion | None) -> None:
    assert minor_of(version) == minor


@pytest.mark.parametrize(
    ("kubelet", "servers", "reason"),
    [
        ("", ["v1.30.0"], None),
        ("v1.36.9", ["v1.36.3"], None),
        ("v1.33.0", ["v1.36.3"], None),
        ("v1.32.9", ["v1.36.3"], Reason.SKEW_OLD),
        ("v1.37.0", ["v1.36.3"], Reason.SKEW),
        ("v1.36.0", ["v1.36.3", "v1.35.1"], Reason.SKEW),
        ("v1.35.0", ["v1.36.3", "v1.35.1"], None),
        ("v1.32.0", ["v1.36.3", "v1.35.1"], Reason.SKEW_OLD),
        ("v1.24.0", ["v1.26.3"], None),
        ("v1.24.0", ["v1.27.3"], Reason.SKEW_OLD),
        ("v1.25.0", ["v1.28.3"], None),
        ("v2.0.0", ["v1.36.3"], Reason.SKEW),
        ("v1.36.0", ["v2.0.0"], Reason.SKEW_OLD),
        ("v1.36.0", [], Reason.SKEW_UNKNOWN),
        ("v1.36.0", ["", "latest"], Reason.SKEW_UNKNOWN),
        ("v1.36.0", ["", "v1.36.0"], None),
    ],
)
def test_kubelet_beside_its_api_servers(
    kubelet: str, servers: Collection[str], reason: Reason | None
) -> None:
    held = guard.held("east", replace(NEW, kubelet=kubelet), servers)
    assert (held.reason if held is not None else None) == reason
    if held is not None:
        assert held.needs_action and "?" not in held.message + held.remedy, (held.message, held.remedy)


def test_skew_names_what_to_upgrade_first() -> None:
    new = guard.held("east", replace(NEW, kubelet="v1.37.0"), ["v1.36.3"])
    assert new == Held(
        Reason.SKEW,
        "east",
        {"release": NEW.version, "kubelet": "v1.37.0", "server": "v1.36.3", "needed": "1.37"},
    )
    old = guard.held("east", replace(NEW, kubelet="v1.31.2"), ["v1.36.3", "v1.35.1"])
    assert old == Held(
        Reason.SKEW_OLD,
        "east",
        {
            "release": NEW.version,
            "kubelet": "v1.31.2",
            "server": "v1.36.3",
            "needed": "1.33",
            "count": 5,
            "most": 3,
        },
    )


def an_etcd(*versions: str) -> Quorum:
    return Quorum(
        "main", members=tuple(Member(f"m{number}", version=each) for number, each in enumerate(versions))
    )


@pytest.mark.parametrize(
    ("servers", "kubelets", "groups", "found"),
    [
        (["v1.36.3"], {"v1.36.3": ["a"], "v1.33.0": ["b"]}, [], ""),
        (["v1.36.3"], {"v1.32.1": ["b", "a"]}, [], "old-kubelets"),
        (["v1.36.3"], {"v1.37.0": ["a"]}, [], "new-kubelet"),
        (["", "v1.36.3", "v1.35.1"], {"v1.35.0": ["a"], "": ["b"]}, [], ""),
        (["v1.36.3", "v1.34.1"], {"v1.34.0": ["a"]}, [], "api-servers"),
        ([], {"v1.30.0": ["a"]}, [], ""),
        ([], {}, [an_etcd("3.5.17", "3.6.1", "3.6.1")], ""),
        ([], {}, [an_etcd("3.4.20", "3.6.1", "")], "etcd"),
        ([], {}, [replace(an_etcd("3.4.20", "3.6.1"), kind="zookeeper")], ""),
    ],
)  # fmt: skip
def test_existing_skew(
    servers: list[str], kubelets: dict[str, list[str]], groups: list[Quorum], found: str, golden: GoldenFiles
) -> None:
    """`found`: the golden file of what is found. Empty: nothing is."""
    skew = [
        f"{each.check}\n{each.subject}\n{each.message}\n{each.remedy}"
        for each in skews(servers, kubelets, groups)
    ]
    assert len(skew) == bool(found)
    if found:
        golden.check(skew[0], found)


def a_server(number: int, version: str) -> Pod:
    return Pod("kube-system", f"api-{number}", f"api-{number}", mirror=True, api_server=version)


def test_lint_reports_skew_with_a_remedy(golden: GoldenFiles) -> None:
    snapshot = a_snapshot(
        [a_node("n-1", kubelet="v1.31.0"), a_node("n-2")],
        ([], [a_server(1, "v1.34.1")]),
        quorums=(an_etcd("3.4.20", "3.6.1", "3.6.1"),),
    )
    found = lint(Policy(), [snapshot]).findings
    golden.check("\n".join(f"{each.check}: {each.remedy}" for each in found if each.check.startswith("skew")))


NEWER = replace(NEW, kubelet="v1.37.1")
ALL = a_policy(a_pool(limits=Limits(max_unavailable=Amount(9))))


def a_cluster(*servers: Pod) -> Snapshot:
    return a_snapshot([a_node(f"n-{number}") for number in range(3)], ([], list(servers)))


def done(story: SimulatedRollout) -> bool:
    return set(story.steps().values()) == {Step.DONE}


def acted(story: SimulatedRollout) -> list[type]:
    return [type(action) for _, action, _ in story.performed if isinstance(action, Stage | Reboot)]


def upgrade(story: SimulatedRollout, version: str) -> None:
    """The API server that answers is of that version from now on."""
    story.models["east"].server_version = version
    story.engine.observe(ClusterSynced("east", version), story.now)


def test_nothing_is_staged_before_the_api_server_is_new_enough() -> None:
    story = SimulatedRollout([a_cluster()], ALL)
    story.start(NEWER)
    story.run(600)
    assert set(story.steps().values()) == {Step.PENDING} and not acted(story)
    held = story.engine.why(NodeRef("east", "n-0"), story.now)
    assert [each.reason for each in held] == [Reason.SKEW]
    upgrade(story, "v1.37.0")
    story.run(until=lambda: done(story))
    nodes = story.models["east"].snapshot(story.now).nodes
    assert {node.kubelet for node in nodes} == {"v1.37.1"}


def test_last_of_several_api_servers_is_waited_for() -> None:
    story = SimulatedRollout([a_cluster(a_server(1, "v1.37.0"), a_server(2, "v1.36.3"))], ALL)
    upgrade(story, "v1.37.0")
    story.start(NEWER)
    story.run(600)
    assert set(story.steps().values()) == {Step.PENDING} and not acted(story)
    story.engine.observe(Deleted("east", a_server(2, "v1.36.3")), story.now)
    story.engine.observe(Upserted("east", replace(a_server(2, "v1.37.0"), uid="api-2-new")), story.now)
    story.run(until=lambda: done(story))


def test_downgraded_api_server_stops_further_reboots() -> None:
    story = SimulatedRollout([replace(a_cluster(), server_version="v1.37.0")], ALL)
    story.start(NEWER)
    story.run(until=lambda: Step.DRAIN in story.steps().values())
    upgrade(story, "v1.36.3")
    rebooted = acted(story).count(Reboot)
    story.run(60)
    assert acted(story).count(Reboot) == rebooted == 0
    (held,) = story.engine.why(NodeRef("east", "n-0"), story.now)
    assert held.reason is Reason.SKEW
    upgrade(story, "v1.37.0")
    story.run(until=lambda: done(story))
    assert acted(story).count(Reboot) == 3


@pytest.mark.parametrize(
    ("kubelet", "reason"), [("v1.37.1", "skew"), ("v1.32.0", "skew-old"), ("v1.36.3", None), ("", None)]
)
def test_plan_holds_nodes_with_skew_before_a_start(kubelet: str, reason: str | None) -> None:
    plan = make_plan(
        PlanRequest(
            "p-1", [a_cluster()], ALL, ["workers"], replace(NEW, kubelet=kubelet), START, DurationEstimates()
        )
    )
    assert [hold.reason for hold in plan.held] == ([reason] * 3 if reason else [])
    assert len(plan.runs) == (0 if reason else 3)
