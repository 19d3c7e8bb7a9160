"""The status of nodes, pools and clusters."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from fleet.core.objects.known_node import KnownNode
from fleet.core.objects.machine import Units
from fleet.core.objects.node import Node, NodeRef
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import Release
from fleet.core.reporting.overview import overview
from fleet.core.reporting.selection import Selection, select
from fleet.core.reporting.status import FleetStatus, StatusCluster
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step
from fleet.core.text.natural_order import natural
from fleet.lab.simulation.builders import NEW, OLD, START, a_machine, a_node, a_policy

EAST = StatusCluster("east", ("fra",), True, START, nodes=1)


def known(node: Node, booted: Release = OLD, cluster: str = "east") -> KnownNode:
    return KnownNode(cluster, "fra", node.name, node, a_machine(node, booted), since=START)


def a_rollout(*runs: Run, ended: bool = False) -> Rollout:
    rollout = Rollout(
        "r-1", Start("p-1", NEW, a_policy(), tuple(run.goal for run in runs)), START, "ada@desk"
    )
    rollout.runs = {run.node: run for run in runs}
    rollout.ended_at = START if ended else None
    return rollout


def a_run(node: Node, step: Step, **facts: object) -> Run:
    goal = Goal(NodeRef("east", node.name), node.uid, "workers")
    return Run(goal, NEW, step, START, **facts)  # type: ignore[arg-type]


def states(status: FleetStatus) -> dict[str, str]:
    return {node.name: node.state for node in status.nodes}


def test_node_is_patched_outdated_or_drifted_by_its_stream() -> None:
    nodes = [known(a_node("old")), known(a_node("new"), NEW), known(a_node("dev"), Release("dev"))]
    status = overview(START, [EAST], nodes, a_policy())
    assert states(status) == {"old": "outdated", "new": "patched", "dev": "drifted"}
    assert {node.target for node in status.nodes} == {NEW.version}


def test_same_version_with_another_digest_has_drifted() -> None:
    forged = Release(NEW.version, "sha256:" + "f" * 64)
    assert states(overview(START, [EAST], [known(a_node("n"), forged)], a_policy())) == {"n": "drifted"}


def test_another_version_string_of_the_same_image_is_patched_under_the_streams_name() -> None:
    reported = [replace(NEW, version=version) for version in ("", "9.6", NEW.digest)]
    status = overview(
        START, [EAST], [known(a_node(f"n-{n}"), each) for n, each in enumerate(reported)], a_policy()
    )
    assert set(states(status).values()) == {"patched"}
    assert {node.version for node in status.nodes} == {NEW.version}


def test_nodes_of_an_unreachable_cluster_are_unknown_and_not_counted_as_patched() -> None:
    away = StatusCluster(
        "east", ("fra",), False, START - timedelta(minutes=14), "connection refused", nodes=1
    )
    status = overview(START, [away], [known(a_node("n"), NEW)], a_policy())
    assert states(status) == {"n": "unknown"}
    assert (status.summary.patched, status.summary.kernels) == (0, {})
    assert [(row.cluster, row.nodes, row.note) for row in status.summary.pools] == [
        ("east", 1, "unreachable")
    ]


def test_node_without_an_agent_is_unknown_and_a_machine_without_a_node_an_orphan() -> None:
    node = a_node("silent")
    silent = KnownNode("east", "fra", "silent", node, None)
    lost = KnownNode("east", "fra", "lost", None, a_machine(a_node("lost")))
    assert states(overview(START, [EAST], [silent, lost], a_policy())) == {
        "silent": "unknown",
        "lost": "orphan",
    }


def test_node_of_a_rollout_is_running_waiting_held_or_failed() -> None:
    names = ("works", "waits", "held", "staging", "failed", "released", "done")
    nodes = {name: a_node(name) for name in names}
    rollout = a_rollout(
        a_run(nodes["works"], Step.DRAIN),
        a_run(nodes["waits"], Step.STAGED),
        a_run(nodes["held"], Step.STAGED),
        a_run(nodes["staging"], Step.STAGE),
        a_run(nodes["failed"], Step.FAILED, slot=True, begun=START, why="it booted the old one"),
        a_run(nodes["released"], Step.FAILED, begun=START),
        a_run(nodes["done"], Step.DONE),
    )
    held = {
        NodeRef("east", "waits"): (Held(Reason.POOL_LIMIT, "workers", {"out": 2, "limit": 2}),),
        NodeRef("east", "held"): (
            Held(Reason.POOL_LIMIT, "workers", {"out": 2, "limit": 2}),
            Held(Reason.FOREIGN_CORDON, "", {"by": ""}),
        ),
        NodeRef("east", "staging"): (Held(Reason.FOREIGN_CORDON, "", {"by": ""}),),
    }
    everything = [known(nodes[name], NEW if name == "done" else OLD) for name in names]
    began = START - timedelta(hours=3)
    since = dict.fromkeys(held, began)
    status = overview(START, [EAST], everything, a_policy(), [rollout], held, {"r-1": 90}, since)
    assert states(status) == {
        "works": "running",
        "waits": "outdated",
        "held": "held",
        "staging": "held",
        "failed": "failed",
        "released": "outdated",
        "done": "patched",
    }
    assert {node.name for node in status.nodes if node.since == began} == {"held", "staging"}, (
        "the hold's own"
    )
    why = {node.name: node.held for node in status.nodes}
    assert why["failed"] == ("it booted the old one",)
    assert why["held"][0] == Held(Reason.FOREIGN_CORDON).message
    (row,) = status.summary.pools
    assert (row.rollout, row.rollout_state, row.eta_seconds, row.patched) == ("r-1", "running", 90, 1)


def test_failed_node_stays_failed_after_its_rollout_until_it_is_released() -> None:
    node = a_node("n")
    ended = a_rollout(a_run(node, Step.FAILED, slot=True, begun=START), ended=True)
    released = a_rollout(a_run(node, Step.FAILED, slot=False, begun=START), ended=True)
    assert states(overview(START, [EAST], [known(node)], a_policy(), [ended])) == {"n": "failed"}
    assert states(overview(START, [EAST], [known(node)], a_policy(), [released])) == {"n": "outdated"}


def test_pool_that_waits_for_a_window_shows_when_it_opens() -> None:
    node = a_node("n")
    held = {NodeRef("east", "n"): (Held(Reason.WINDOW, "workers", {"opens": "Sat 01:00 CET"}),)}
    rollout = a_rollout(a_run(node, Step.STAGED))
    status = overview(START, [EAST], [known(node)], a_policy(), [rollout], held)
    assert status.summary.pools[0].note == "window Sat 01:00 CET"


def test_selection_filters_nodes_and_counts_them_again() -> None:
    west = StatusCluster("west", ("nyc",), True, START, nodes=1)
    nodes = [known(a_node("a")), known(a_node("b"), NEW), known(a_node("c"), cluster="west")]
    status = overview(START, [EAST, west], nodes, a_policy())
    east = select(status, Selection(clusters=("east",), outdated=True))
    assert states(east) == {"a": "outdated"}
    assert (east.summary.nodes, [row.cluster for row in east.summary.pools]) == (1, ["east"])


def test_names_are_in_natural_order() -> None:
    assert sorted(["n-10", "n-9", "a"], key=natural) == ["a", "n-9", "n-10"]


def test_report_of_an_agent_is_in_the_status_of_its_node() -> None:
    one = known(a_node("n"))
    assert one.machine is not None
    machine = replace(
        one.machine,
        kernel_arguments="quiet ro",
        layered=("strace",),
        units=Units("degraded", ("smartd.service",)),
    )
    (node,) = overview(START, [EAST], [replace(one, machine=machine)], a_policy()).nodes
    assert (node.kernel_arguments, node.layered) == ("quiet ro", ("strace",))
    assert (node.systemd, node.failed_units) == ("degraded", ("smartd.service",))
    (silent,) = overview(START, [EAST], [replace(one, machine=None)], a_policy()).nodes
    assert (silent.kernel_arguments, silent.layered, silent.systemd, silent.failed_units) == ("", (), "", ())
