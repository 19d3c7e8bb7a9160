"""Stages go one after the other, with gates in between that halt the rollout, hold it or let it go on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.policy.gate import AnyGate, GateVerdict, HttpGate, OperatorGate, PrometheusGate, SoakGate
from fleet.core.policy.policy import Amount, Limits, Policy, Pool
from fleet.core.policy.rollout_stage import RolloutStage
from fleet.core.records.held import Held
from fleet.core.records.journal import JournalRecord
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.checkpoint import restore_checkpoint, take_checkpoint
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.decisions import StepFinished
from fleet.core.rollout.goal import Goal
from fleet.core.rollout.stages.gate_state import POOL, STAGE, GatePoint
from fleet.core.rollout.steps import RolloutState, Step
from fleet.lab.simulation.builders import a_node, a_policy, a_pool, a_snapshot
from tests.simulated_rollout import SimulatedRollout

CANARIES = GatePoint(POOL, "workers")
ERRORS = PrometheusGate(
    name="errors", url="http://p:9090", query="e", below=1.0, for_seconds=300, every_seconds=30
)


def a_story(
    gates: Sequence[AnyGate] = (), stages: Sequence[RolloutStage] = (), canary: str = "e-0"
) -> SimulatedRollout:
    """Two clusters in two sites, three nodes each, all of which may be out at once."""
    pool: Pool = replace(a_pool(), gates=tuple(gates), limits=Limits(Amount(100, percent=True)))
    policy: Policy = replace(a_policy(pool), stages=tuple(stages))
    names = {"east": ["e-0", "e-1", "e-2"], "west": ["w-0", "w-1", "w-2"]}
    story = SimulatedRollout(
        [
            replace(a_snapshot([a_node(name) for name in names[cluster]], cluster=cluster), site=site)
            for cluster, site in (("east", "fra"), ("west", "nyc"))
        ],
        policy,
    )
    goals = [
        Goal(NodeRef(cluster, node.name), node.uid, "workers", site=story.sites[cluster], zone=node.zone)
        for cluster, model in story.models.items()
        for node in model.snapshot(story.now).nodes
    ]
    story.start(goals=[replace(goal, canary=goal.node.name == canary) for goal in goals])
    return story


def begun(story: SimulatedRollout) -> list[str]:
    """Returns the nodes in the order in which they took their slots."""
    records = (from_record(entry.record) for entry in story.entries)
    return [
        record.node.name
        for record in records
        if isinstance(record, StepFinished) and record.to is Step.CORDON
    ]


def state(story: SimulatedRollout) -> RolloutState:
    return story.rollout.state


def held(story: SimulatedRollout, cluster: str, node: str) -> Held:
    return story.engine.why(NodeRef(cluster, node), story.now)[0]


def ended(story: SimulatedRollout, step: Step) -> list[tuple[datetime, StepFinished]]:
    """Returns when each run came to the step; for `PENDING`: when it left that step."""
    found = [(entry.at, from_record(entry.record)) for entry in story.entries]
    steps = [(at, record) for at, record in found if isinstance(record, StepFinished)]
    wanted = Step.STAGE if step is Step.PENDING else step
    return [(at, record) for at, record in steps if record.to is wanted]


def records(story: SimulatedRollout, kind: str) -> list[JournalRecord]:
    return [entry.record for entry in story.entries if entry.record.kind == kind]


def proven(story: SimulatedRollout) -> bool:
    return story.run_of("e-0").step is Step.DONE


def test_the_rest_waits_until_the_gate_was_good_for_its_whole_time() -> None:
    story = a_story([ERRORS])
    story.gates["errors"] = (GateVerdict.GOOD, "0")
    story.run(until=lambda: proven(story))
    at = story.at
    story.run(seconds=290)
    assert begun(story) == ["e-0"]
    waits = held(story, "east", "e-1")
    assert (waits.reason, waits.subject, waits.params["point"]) == (Reason.GATE, "errors", str(CANARIES))
    story.run()
    assert state(story) is RolloutState.FINISHED
    assert [second - at for second, _ in story.asked] == [30.0 * count for count in range(11)]
    assert story.rollout.gates[CANARIES, "errors"].passed


def test_bad_measurements_in_a_row_halt_the_rollout_and_resume_asks_anew() -> None:
    story = a_story([ERRORS])
    story.gates["errors"] = (GateVerdict.BAD, "7, wanted below 1")
    story.run()
    assert state(story) is RolloutState.HALTED
    assert "errors" in story.rollout.why and "7, wanted below 1" in story.rollout.why
    assert len(story.asked) == ERRORS.bad
    halted = held(story, "east", "e-1")
    assert halted.reason is Reason.HALTED and "resume r-1" in halted.remedy and "release" not in halted.remedy
    story.gates["errors"] = (GateVerdict.GOOD, "0")
    story.send("resume")
    story.run()
    assert state(story) is RolloutState.FINISHED
    assert len(records(story, "gate-failed")) == 1 and len(records(story, "gate-passed")) == 1


def test_one_bad_measurement_begins_the_time_of_good_ones_anew() -> None:
    story = a_story([ERRORS])
    story.gates["errors"] = (GateVerdict.GOOD, "0")
    story.run(until=lambda: len(story.asked) == 5)
    story.gates["errors"] = (GateVerdict.BAD, "7")
    story.run(until=lambda: len(story.asked) == 6)
    story.gates["errors"] = (GateVerdict.GOOD, "0")
    since = story.at
    story.run(until=lambda: story.rollout.gates[CANARIES, "errors"].passed)
    assert story.at - since >= ERRORS.for_seconds
    assert [record.detail["verdict"] for record in records(story, "gate-measured")] == ["good", "bad", "good"]


def test_no_answer_is_no_pass_and_halts_after_the_timeout() -> None:
    """argo-rollouts#4479: five measurements without one good one were a success."""
    story = a_story([ERRORS])
    story.gates["errors"] = (GateVerdict.UNKNOWN, "the query has no data")
    story.run(seconds=ERRORS.timeout_seconds)
    assert state(story) is RolloutState.RUNNING and begun(story) == ["e-0"]
    assert "no data" in str(held(story, "east", "e-1").params["state"])
    story.run()
    assert state(story) is RolloutState.HALTED and "no data" in story.rollout.why
    assert begun(story) == ["e-0"]


def test_a_time_without_a_controller_proves_nothing() -> None:
    story = a_story([ERRORS])
    story.gates["errors"] = (GateVerdict.GOOD, "0")
    story.run(until=lambda: len(story.asked) == 5)
    story.at += 3000
    story.kill()
    before = story.at
    story.run(until=lambda: story.rollout.gates[CANARIES, "errors"].passed)
    assert story.at - before >= ERRORS.for_seconds


def test_all_gates_of_a_point_are_asked_at_once_and_all_must_pass() -> None:
    web = HttpGate(name="web", url="http://w/")
    story = a_story([ERRORS, web, SoakGate(name="soak", for_seconds=1000)])
    story.gates = {"errors": (GateVerdict.GOOD, "0"), "web": (GateVerdict.GOOD, "status 200")}
    story.run(until=lambda: proven(story))
    reached = story.at
    story.run(until=lambda: len(begun(story)) > 1)
    assert story.at - reached >= 1000
    assert sum(name == "web" for _, name in story.asked) == 1


def test_only_an_operator_lets_an_operators_gate_pass() -> None:
    story = a_story([OperatorGate(name="go")])
    story.run(seconds=10 * 86400)
    waits = held(story, "east", "e-1")
    assert (waits.reason, waits.subject, waits.needs_action) == (Reason.OPERATOR_GATE, "go", True)
    assert state(story) is RolloutState.RUNNING
    detail = {"point": {"of": POOL, "name": "workers"}, "gate": "go"}
    story.command(JournalRecord(form="command", kind="pass", rollout="r-1", detail=detail))
    story.run()
    assert state(story) is RolloutState.FINISHED


def test_a_pause_asks_no_gate() -> None:
    story = a_story([ERRORS])
    story.gates["errors"] = (GateVerdict.GOOD, "0")
    story.run(until=lambda: len(story.asked) == 2)
    story.send("pause")
    story.run(seconds=1000)
    assert len(story.asked) == 2


@pytest.mark.parametrize("canary", ["", "w-0"])
def test_a_stage_begins_when_all_nodes_of_the_one_before_have_ended(canary: str) -> None:
    stages = [RolloutStage("first", clusters=("west",)), RolloutStage("rest")]
    story = a_story(stages=stages, canary=canary)
    story.run(until=lambda: len(begun(story)) == 3)
    assert all(name.startswith("w") for name in begun(story))
    waits = held(story, "east", "e-1")
    assert (waits.reason, waits.subject) == (Reason.STAGE, "first")
    story.run()
    assert state(story) is RolloutState.FINISHED
    assert {name[0] for name in begun(story)[3:]} == {"e"}


def test_a_gate_behind_a_stage_holds_the_next_one() -> None:
    night = SoakGate(name="night", for_seconds=8 * 3600)
    story = a_story(stages=[RolloutStage("first", clusters=("east",), gates=(night,))])
    story.run()
    done = max(at for at, record in ended(story, Step.DONE) if record.node.cluster == "east")
    first = min(at for at, record in ended(story, Step.PENDING) if record.node.cluster == "west")
    assert (first - done).total_seconds() == night.for_seconds
    assert story.rollout.gates[GatePoint(STAGE, "first"), "night"].passed


def test_a_stage_without_nodes_and_its_gates_are_passed_over() -> None:
    gate = SoakGate(name="night", for_seconds=8 * 3600)
    story = a_story(stages=[RolloutStage("none", clusters=("north",), gates=(gate,))])
    story.run()
    assert state(story) is RolloutState.FINISHED and not story.rollout.gates


def test_one_site_after_the_other() -> None:
    story = a_story(stages=[RolloutStage("sites", sites_at_once=1)], canary="")
    story.run(until=lambda: len(begun(story)) == 3)
    assert len({name[0] for name in begun(story)}) == 1
    other = next(ref for ref, run in story.rollout.runs.items() if run.step is Step.PENDING)
    waits = story.engine.why(other, story.now)[0]
    assert (waits.reason, waits.subject, waits.params["limit"]) == (Reason.STAGE_SITES, "sites", 1)
    story.run()
    assert state(story) is RolloutState.FINISHED


def test_a_canary_that_cannot_be_proven_is_followed_by_one_of_its_own_stage() -> None:
    story = a_story(stages=[RolloutStage("first", clusters=("east",)), RolloutStage("rest")])
    story.models["east"].stranger.cordon("e-0")
    story.run()
    assert {run.node.name for run in story.rollout.runs.values() if run.step is Step.DONE} >= {"e-1", "e-2"}
    assert begun(story)[0] in ("e-1", "e-2")


@pytest.mark.parametrize("seconds", range(0, 1200, 150))
def test_a_controller_that_is_killed_goes_on_where_the_gates_were(seconds: int) -> None:
    stages = [
        RolloutStage("first", clusters=("west",), gates=(SoakGate(name="soak", for_seconds=600),)),
        RolloutStage("rest"),
    ]
    story = a_story([ERRORS], stages, canary="w-0")
    story.gates["errors"] = (GateVerdict.GOOD, "0")
    story.run(seconds=seconds)
    story.kill()
    story.run()
    assert state(story) is RolloutState.FINISHED
    assert {name[0] for name in begun(story)[:3]} == {"w"}


def test_a_checkpoint_has_the_gates() -> None:
    story = a_story([SoakGate(name="soak", for_seconds=600)], [RolloutStage("sites", sites_at_once=1)])
    story.run(until=lambda: len(begun(story)) == 3)
    restored = restore_checkpoint(take_checkpoint(story.rollout))
    assert restored.gates == story.rollout.gates and restored.gates
    assert restored.stages is not None and story.rollout.stages is not None
    for index in range(2):
        assert restored.stages.sites_in_work(index) == story.rollout.stages.sites_in_work(index)
        assert restored.stages.open[index] == story.rollout.stages.open[index]


def test_a_rollout_that_was_paused_after_its_gate_had_failed_asks_the_gate_anew() -> None:
    """Seed 47 of the simulation: the pause took the place of the halt, and the gate stayed failed for ever."""
    story = a_story([ERRORS])
    story.gates["errors"] = (GateVerdict.BAD, "7")
    story.run(until=lambda: state(story) is RolloutState.HALTED)
    story.send("pause")
    story.gates["errors"] = (GateVerdict.GOOD, "0")
    story.send("resume")
    story.run()
    assert state(story) is RolloutState.FINISHED


def test_a_pause_proves_nothing_and_counts_for_no_timeout() -> None:
    story = a_story([ERRORS])
    story.gates["errors"] = (GateVerdict.GOOD, "0")
    story.run(until=lambda: len(story.asked) == 5)
    story.send("pause")
    story.run(seconds=1)
    story.at += 2 * ERRORS.timeout_seconds
    resumed = story.at
    story.send("resume")
    story.run(until=lambda: story.rollout.gates[CANARIES, "errors"].passed)
    assert story.at - resumed >= ERRORS.for_seconds
    assert state(story) is RolloutState.RUNNING


def test_a_time_without_a_controller_counts_for_no_timeout() -> None:
    story = a_story([ERRORS])
    story.gates["errors"] = (GateVerdict.UNKNOWN, "no data")
    story.run(until=lambda: len(story.asked) == 5)
    story.at += 2 * ERRORS.timeout_seconds
    story.kill()
    story.gates["errors"] = (GateVerdict.GOOD, "0")
    story.run()
    assert state(story) is RolloutState.FINISHED
