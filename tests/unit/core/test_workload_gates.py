"""A gate compares how ready the workloads on a stage's nodes are with what they were before the stage began."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleet.core.engine import workload_gates
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import PodRef
from fleet.core.policy.gate import GateVerdict, WorkloadsGate
from fleet.core.policy.policy import Amount, Limits
from fleet.core.policy.rollout_stage import RolloutStage
from fleet.core.records.journal import JournalRecord
from fleet.core.rollout.checkpoint import restore_checkpoint, take_checkpoint
from fleet.core.rollout.event import ClusterLost, ClusterSynced
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.stages.gate_state import POOL, STAGE, GatePoint
from fleet.core.rollout.steps import RolloutState, Step
from fleet.lab.simulation.builders import a_deployment, a_node, a_policy, a_pool, a_snapshot
from tests.simulated_rollout import SimulatedRollout

FIRST = GatePoint(STAGE, "first")
CANARIES = GatePoint(POOL, "workers")
GATE = WorkloadsGate(name="as ready", timeout_seconds=1800)
SHOP = "Deployment web/shop"


def canaried() -> SimulatedRollout:
    """Two nodes with two pods of one Deployment, and a third one without; the first is the canary."""
    pool = replace(a_pool(), gates=(GATE,), limits=Limits(Amount(100, percent=True)))
    nodes = [a_node(name) for name in ("e-0", "e-1", "e-2")]
    story = SimulatedRollout([a_snapshot(nodes, a_deployment("shop", 2, nodes[:2]))], a_policy(pool))
    story.start(canaries=["e-0"])
    return story


def records(story: SimulatedRollout, kind: str) -> list[JournalRecord]:
    return [entry.record for entry in story.entries if entry.record.kind == kind]


def soaking(story: SimulatedRollout) -> bool:
    return story.run_of("e-0").step is Step.SOAK


def broken(story: SimulatedRollout) -> None:
    """Runs until the canary soaks, and makes a pod of the shop not Ready."""
    story.run(until=lambda: soaking(story))
    pod = next(pod for pod in story.models["east"].snapshot(story.now).pods)
    story.models["east"].stranger.pod_ready(pod.ref, False)


def test_what_was_ready_is_noted_before_the_first_node_begins() -> None:
    story = canaried()
    story.run()
    (noted,) = records(story, "workloads")
    assert noted.detail["ready"] == {SHOP: 2}
    kinds = [(entry.record.kind, entry.record.detail.get("to")) for entry in story.entries]
    assert kinds.index(("workloads", None)) < kinds.index(("step", "cordon"))
    assert story.rollout.state is RolloutState.FINISHED
    assert story.rollout.gates[CANARIES, GATE.name].message == "1 workload as ready as before"


def test_less_ready_workloads_keep_the_gate_shut_until_they_are_as_ready_as_before() -> None:
    story = canaried()
    broken(story)
    story.run(seconds=600)
    state = story.rollout.gates[CANARIES, GATE.name]
    assert (state.verdict, state.message) == (GateVerdict.BAD, f"east: {SHOP}: 1 of 2 ready")
    assert state.open and story.run_of("e-1").begun is None
    pod = next(pod for pod in story.models["east"].snapshot(story.now).pods if not pod.ready)
    story.models["east"].stranger.pod_ready(pod.ref, True)
    story.run()
    assert story.rollout.state is RolloutState.FINISHED


def test_the_gate_fails_by_its_timeout_and_names_what_is_below() -> None:
    story = canaried()
    broken(story)
    begun = story.at
    story.run()
    assert story.rollout.state is RolloutState.HALTED and f"{SHOP}: 1 of 2 ready" in story.rollout.why
    assert story.at - begun >= GATE.timeout_seconds


def test_a_workload_that_is_scaled_down_or_deleted_is_not_less_ready() -> None:
    scaled, deleted = canaried(), canaried()
    broken(scaled)
    scaled.models["east"].stranger.scale("Deployment", PodRef("web", "shop"), 1)
    broken(deleted)
    model = deleted.models["east"]
    for workload in model.snapshot(deleted.now).workloads:
        model.stranger.delete_workload(workload)
    for story in (scaled, deleted):
        story.run()
        assert story.rollout.state is RolloutState.FINISHED


def test_a_cluster_that_does_not_answer_proves_nothing() -> None:
    story = canaried()
    broken(story)
    story.run(seconds=300)
    story.engine.observe(ClusterLost("east", "connection refused"), story.now)
    story.run(seconds=300)
    state = story.rollout.gates[CANARIES, GATE.name]
    assert state.verdict is GateVerdict.UNKNOWN and "connection refused" in state.message
    story.engine.observe(ClusterSynced("east", "v1.36.3"), story.now)
    pod = next(pod for pod in story.models["east"].snapshot(story.now).pods if not pod.ready)
    story.models["east"].stranger.pod_ready(pod.ref, True)
    story.run()
    assert story.rollout.state is RolloutState.FINISHED


def test_without_a_record_of_what_was_before_the_gate_never_passes() -> None:
    story = canaried()
    story.run(until=lambda: soaking(story))
    story.rollout.gates.noted.clear()
    story.run()
    assert story.rollout.state is RolloutState.HALTED
    assert records(story, "gate-measured")[-1].detail["verdict"] == "unknown"


def test_nodes_without_workloads_prove_nothing() -> None:
    nodes = [a_node("e-0"), a_node("e-1")]
    policy = a_policy(replace(a_pool(), gates=(GATE,)))
    story = SimulatedRollout([a_snapshot(nodes)], policy)
    story.start(canaries=["e-0"])
    story.run()
    assert story.rollout.state is RolloutState.HALTED


def test_more_workloads_than_a_record_names_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload_gates, "MOST", 0)
    story = canaried()
    story.run()
    assert records(story, "workloads")[0].detail["left_out"] == 1
    assert story.rollout.state is RolloutState.HALTED


def test_a_stage_compares_the_workloads_on_its_own_nodes() -> None:
    first = RolloutStage("first", clusters=("east",), gates=(GATE,))
    pool = replace(a_pool(), limits=Limits(Amount(100, percent=True)))
    nodes = {name: [a_node(f"{name[0]}-{number}") for number in range(2)] for name in ("east", "west")}
    story = SimulatedRollout(
        [
            a_snapshot(nodes["east"], a_deployment("shop", 2, nodes["east"])),
            a_snapshot(nodes["west"], a_deployment("mail", 2, nodes["west"]), cluster="west"),
        ],
        replace(a_policy(pool), stages=(first, RolloutStage("rest", gates=(GATE,)))),
    )
    story.start()
    story.run()
    noted = {record.detail["cluster"]: record.detail for record in records(story, "workloads")}
    assert noted["east"]["ready"] == {SHOP: 2} and noted["east"]["point"]["name"] == "first"
    assert noted["west"]["ready"] == {"Deployment web/mail": 2} and noted["west"]["point"]["name"] == "rest"
    assert story.rollout.gates[FIRST, GATE.name].passed
    assert story.rollout.state is RolloutState.FINISHED


def test_a_new_controller_and_a_checkpoint_remember_what_was_before() -> None:
    story = canaried()
    broken(story)
    noted = story.rollout.gates.noted
    assert noted and restore_checkpoint(take_checkpoint(story.rollout)).gates.noted == noted
    assert rollouts_of(story.entries)["r-1"].gates.noted == noted
    story.kill()
    story.run()
    assert story.rollout.state is RolloutState.HALTED and SHOP in story.rollout.why
    assert story.rollout.runs[NodeRef("east", "e-1")].begun is None
