"""Hooks run before and after nodes, stages and rollouts; one that fails or whose outcome is unknown holds what waits for
it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby, pairwise

import pytest
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.policy.hooks.hook import AnyHook, CommandHook, HookMoment, Hooks, JobHook
from fleet.core.policy.policy import Amount, Limits
from fleet.core.policy.rollout_stage import RolloutStage
from fleet.core.records.held import Held
from fleet.core.records.journal import JournalRecord
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Cordon, Evict, Reboot, Uncordon
from fleet.core.rollout.checkpoint import restore_checkpoint, take_checkpoint
from fleet.core.rollout.codec import from_record, to_record
from fleet.core.rollout.commands import HookResolved
from fleet.core.rollout.decisions import HookEnded
from fleet.core.rollout.goal import Goal
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.rollout.hooks.hook_turn import MOST_REPEATS
from fleet.core.rollout.steps import RolloutState, Step
from fleet.core.state.hook_calls import MOST_AT_ONCE
from fleet.lab.simulation.builders import START, a_deployment, a_node, a_policy, a_pool, a_snapshot
from tests.simulated_rollout import SimulatedRollout

PREPARE = CommandHook(name="prepare", command=("prepare",))
SMOKE = CommandHook(name="smoke", command=("smoke",))
OPEN = CommandHook(name="open", command=("open",))
CLOSE = CommandHook(name="close", command=("close",))
INTERESTING = (Cordon, Evict, Reboot, Uncordon, HookEnded)


def a_story(
    node: Hooks | None = None,
    rollout: Hooks | None = None,
    stages: Sequence[RolloutStage] = (),
    names: Sequence[str] = ("e-0", "e-1"),
    canary: str = "",
) -> SimulatedRollout:
    """One cluster, whose nodes may all be out at once. Each node has a pod."""
    pool = replace(a_pool(), limits=Limits(Amount(100, percent=True)), **({"hooks": node} if node else {}))
    policy = replace(a_policy(pool), stages=tuple(stages), **({"hooks": rollout} if rollout else {}))
    nodes = [a_node(name) for name in names]
    snapshot = a_snapshot([*nodes, a_node("spare", pool="spare")], a_deployment("web", len(nodes), nodes))
    story = SimulatedRollout([snapshot], policy)
    story.start(
        goals=[
            Goal(NodeRef("east", node.name), node.uid, "workers", canary=node.name == canary)
            for node in nodes
        ]
    )
    return story


def called(story: SimulatedRollout) -> list[tuple[str, str]]:
    """Returns the hooks that were started, each with its node or stage."""
    return [(call.hook.name, call.place.subject) for _, call in story.called]


def why(story: SimulatedRollout, node: str = "e-0") -> Held:
    return story.engine.why(NodeRef("east", node), story.now)[0]


def state(story: SimulatedRollout) -> RolloutState:
    return story.rollout.state


def records(story: SimulatedRollout, kind: str) -> list[JournalRecord]:
    return [entry.record for entry in story.entries if entry.record.kind == kind]


def moments(story: SimulatedRollout, node: str) -> list[str]:
    """Returns what happened to the node, in the journal's order: kinds of actions, and hooks that have ended."""
    found = [from_record(entry.record) for entry in story.entries]
    kinds = [
        each.hook if isinstance(each, HookEnded) else each.kind
        for each in found
        if isinstance(each, INTERESTING) and each.node is not None and each.node.name == node
    ]
    return [kind for kind, _ in groupby(kinds)]


def resolve(
    story: SimulatedRollout, moment: HookMoment, hook: str, node: str = "", again: bool = False
) -> None:
    ref = NodeRef("east", node) if node else None
    story.command(to_record(HookResolved(rollout="r-1", node=ref, moment=moment, hook=hook, again=again)))


def test_hooks_of_a_node_run_on_the_cordoned_node_and_before_it_is_uncordoned() -> None:
    story = a_story(Hooks((PREPARE,), (SMOKE,)))
    story.run()
    assert story.rollout.state is RolloutState.FINISHED
    for name in ("e-0", "e-1"):
        assert moments(story, name) == ["cordon", "prepare", "evict", "reboot", "smoke", "uncordon"]


def test_hooks_of_one_place_run_one_after_another() -> None:
    second = CommandHook(name="second", command=("second",))
    story = a_story(Hooks((PREPARE, second)), names=["e-0"])
    story.hooks["prepare"] = [(50.0, HookResult.PASSED)]
    story.run()
    (first, _), (later, _) = story.called
    assert later - first >= 50 and called(story) == [("prepare", "east/e-0"), ("second", "east/e-0")]


def test_a_node_waits_for_its_hook_since_when_and_how_long_at_most() -> None:
    story = a_story(Hooks((replace(PREPARE, timeout_seconds=600),)), names=["e-0"])
    story.hooks["prepare"] = [(500.0, HookResult.PASSED)]
    story.run(until=lambda: bool(story.called))
    since = START + timedelta(seconds=story.called[0][0])
    waits = why(story)
    assert (waits.reason, waits.subject) == (Reason.HOOK, "prepare")
    assert f"{since:%H:%M:%S}" in str(waits.params["state"]) and "10m" in str(waits.params["state"])
    assert story.run_of("e-0").step is Step.CORDON


def test_a_hook_is_told_about_its_node() -> None:
    story = a_story(Hooks((PREPARE,)), names=["e-0"])
    story.run()
    ((_, call),) = story.called
    facts = call.facts
    assert (facts["FLEET_NODE"], facts["FLEET_CLUSTER"], facts["FLEET_ROLLOUT"]) == ("e-0", "east", "r-1")
    assert (facts["FLEET_STEP"], facts["FLEET_HOOK"], facts["FLEET_ATTEMPT"]) == (
        "before_node",
        "prepare",
        "1",
    )
    assert facts["FLEET_TO"] == story.rollout.release.version


def test_failing_hook_before_a_node_gives_the_node_back_untouched() -> None:
    story = a_story(Hooks((PREPARE,)), names=["e-0"])
    story.hooks["prepare"] = [(5.0, HookResult.FAILED)]
    story.run()
    assert story.run_of("e-0").step is Step.FAILED and story.rollout.failures == 1
    assert "hook prepare" in story.run_of("e-0").why
    assert moments(story, "e-0") == ["cordon", "prepare", "uncordon"]
    assert not story.models["east"].snapshot(story.now).nodes[0].unschedulable


def test_failing_hook_after_a_node_keeps_the_node_cordoned_and_its_slot() -> None:
    story = a_story(Hooks((), (SMOKE,)), names=["e-0"])
    story.hooks["smoke"] = [(5.0, HookResult.FAILED)]
    story.run()
    run = story.run_of("e-0")
    assert run.step is Step.FAILED and run.slot and "hook smoke" in run.why
    assert "uncordon" not in moments(story, "e-0")
    assert story.models["east"].snapshot(story.now).nodes[0].cordoned_by == "r-1"


def test_a_hook_is_tried_as_often_as_the_policy_says_with_growing_delays() -> None:
    story = a_story(Hooks((replace(PREPARE, attempts=3),)), names=["e-0"])
    story.hooks["prepare"] = [(1.0, HookResult.FAILED), (1.0, HookResult.FAILED)]
    story.run()
    assert story.rollout.state is RolloutState.FINISHED
    starts = [at for at, _ in story.called]
    assert [call.attempt for _, call in story.called] == [1, 2, 3]
    assert [later - before - 1 for before, later in pairwise(starts)] == [10.0, 20.0]
    assert len({call.token for _, call in story.called}) == 3


def test_failing_hook_that_may_fail_lets_the_node_go_on() -> None:
    story = a_story(Hooks((replace(PREPARE, on_failure="continue"),)), names=["e-0"])
    story.hooks["prepare"] = [(1.0, HookResult.FAILED)]
    story.run()
    assert story.run_of("e-0").step is Step.DONE
    assert [record.detail["result"] for record in records(story, "hook-ended")] == ["failed"]


def test_killed_controller_leaves_a_command_whose_outcome_an_operator_must_find() -> None:
    story = a_story(Hooks((PREPARE,)), names=["e-0"])
    story.hooks["prepare"] = [(500.0, HookResult.PASSED)]
    story.run(until=lambda: bool(story.called))
    story.kill()
    story.run()
    waits = why(story)
    assert (waits.reason, waits.subject, waits.needs_action) == (Reason.HOOK_UNKNOWN, "prepare", True)
    assert "--node east/e-0" in waits.remedy
    assert len(story.called) == 1 and story.run_of("e-0").step is Step.CORDON
    resolve(story, HookMoment.BEFORE_NODE, "prepare", "e-0")
    story.run()
    assert story.rollout.state is RolloutState.FINISHED and len(story.called) == 1


def test_an_operator_runs_a_hook_again_whose_outcome_is_unknown() -> None:
    story = a_story(Hooks((PREPARE,)), names=["e-0"])
    story.hooks["prepare"] = [(500.0, HookResult.PASSED)]
    story.run(until=lambda: bool(story.called))
    story.kill()
    story.run()
    resolve(story, HookMoment.BEFORE_NODE, "prepare", "e-0", again=True)
    story.run()
    assert story.rollout.state is RolloutState.FINISHED and len(story.called) == 2


@pytest.mark.parametrize(
    "hook", [replace(PREPARE, idempotent=True), JobHook(name="prepare", template="{}", namespace="ops")]
)
def test_hook_that_is_safe_to_repeat_runs_again_under_the_same_token(hook: AnyHook) -> None:
    story = a_story(Hooks((hook,)), names=["e-0"])
    story.hooks["prepare"] = [(500.0, HookResult.PASSED)]
    story.run(until=lambda: bool(story.called))
    story.kill()
    story.run()
    assert story.rollout.state is RolloutState.FINISHED
    assert len(story.called) == 2 and len({call.token for _, call in story.called}) == 1


def test_hook_whose_outcome_stays_unknown_is_not_repeated_for_ever() -> None:
    story = a_story(Hooks((replace(PREPARE, idempotent=True),)), names=["e-0"])
    story.hooks["prepare"] = [(1.0, HookResult.UNKNOWN)] * 20
    story.run()
    assert len(story.called) == MOST_REPEATS + 1 and why(story).reason is Reason.HOOK_UNKNOWN


def test_abort_stops_the_hook_before_a_node_and_then_gives_the_node_back() -> None:
    story = a_story(Hooks((PREPARE,)), names=["e-0"])
    story.hooks["prepare"] = [(5000.0, HookResult.PASSED)]
    story.run(until=lambda: bool(story.called))
    story.run(seconds=60)
    story.send("abort")
    begin = story.at
    story.run()
    assert story.at - begin < 60
    assert [call.hook.name for call in story.stopped] == ["prepare"]
    assert moments(story, "e-0") == ["cordon", "prepare", "uncordon"]
    assert story.run_of("e-0").step is Step.CANCELLED and not story.rollout.active


def test_abort_lets_the_hook_after_a_rebooted_node_end() -> None:
    story = a_story(Hooks((), (SMOKE,)), names=["e-0"])
    story.hooks["smoke"] = [(300.0, HookResult.PASSED)]
    story.run(until=lambda: bool(story.called))
    story.send("abort")
    story.run()
    assert story.stopped == [] and story.run_of("e-0").step is Step.DONE


def test_an_operator_lets_a_running_hook_pass_and_it_is_stopped() -> None:
    story = a_story(Hooks((), (SMOKE,)), names=["e-0"])
    story.hooks["smoke"] = [(5000.0, HookResult.PASSED)]
    story.run(until=lambda: bool(story.called))
    resolve(story, HookMoment.AFTER_NODE, "smoke", "e-0")
    story.run(seconds=600)
    assert [call.hook.name for call in story.stopped] == ["smoke"]
    assert story.rollout.state is RolloutState.FINISHED


def test_pause_starts_no_hook_and_stops_none() -> None:
    second = CommandHook(name="second", command=("second",))
    story = a_story(Hooks((PREPARE, second)), names=["e-0"])
    story.hooks["prepare"] = [(100.0, HookResult.PASSED)]
    story.run(until=lambda: bool(story.called))
    story.send("pause")
    story.run(seconds=1000)
    assert called(story) == [("prepare", "east/e-0")] and story.stopped == []
    assert why(story).reason is Reason.PAUSED
    story.send("resume")
    story.run()
    assert story.rollout.state is RolloutState.FINISHED and len(story.called) == 2


def test_hooks_of_a_rollout_run_before_anything_and_after_everything() -> None:
    story = a_story(rollout=Hooks((OPEN,), (CLOSE,)))
    story.hooks["open"] = [(100.0, HookResult.PASSED)]
    story.run()
    kinds = [entry.record.kind for entry in story.entries]
    steps = records(story, "step")
    assert called(story) == [("open", ""), ("close", "")]
    assert kinds.index("hook-ended") < kinds.index("step") and len(steps) > 10
    assert kinds[-2:] == ["hook-ended", "finish"]
    assert story.called[-1][1].facts["FLEET_NODES_DONE"] == "2"


@pytest.mark.parametrize("moment", [HookMoment.BEFORE_ROLLOUT, HookMoment.AFTER_ROLLOUT])
def test_failing_hook_of_a_rollout_halts_it_and_resume_runs_the_hook_again(moment: HookMoment) -> None:
    story = a_story(rollout=Hooks((OPEN,), ()) if moment.before else Hooks((), (OPEN,)))
    story.hooks["open"] = [(1.0, HookResult.FAILED)]
    story.run()
    assert state(story) is RolloutState.HALTED and "hook open" in story.rollout.why
    if moment.before:
        assert why(story).reason is Reason.HALTED and "resume r-1" in why(story).remedy
        assert records(story, "step") == []
    story.run()
    assert len(story.called) == 1 and len(records(story, "halt")) == 1
    story.send("resume")
    story.run()
    assert state(story) is RolloutState.FINISHED and len(story.called) == 2


def test_abort_ends_a_rollout_whose_last_hook_fails() -> None:
    story = a_story(rollout=Hooks((), (CLOSE,)))
    story.hooks["close"] = [(1.0, HookResult.FAILED)]
    story.run()
    story.send("abort")
    story.run()
    assert not story.rollout.active and story.rollout.state is RolloutState.ABORTED


def test_rollout_that_is_aborted_before_it_begins_runs_no_hook_after() -> None:
    story = a_story(rollout=Hooks((), (CLOSE,)))
    story.send("abort")
    story.run()
    assert not story.rollout.active and story.called == []


def test_abort_stops_the_hook_before_the_rollout() -> None:
    story = a_story(rollout=Hooks((OPEN,), ()))
    story.hooks["open"] = [(5000.0, HookResult.PASSED)]
    story.run(until=lambda: bool(story.called))
    story.send("abort")
    story.run(seconds=60)
    assert [call.hook.name for call in story.stopped] == ["open"] and not story.rollout.active


def test_hooks_of_a_stage_stand_between_its_nodes_and_those_of_the_others() -> None:
    hooks = Hooks((OPEN,), (CLOSE,))
    first = RolloutStage("first", pools=("workers",), hooks=hooks)
    story = a_story(stages=[first], rollout=Hooks((PREPARE,), (SMOKE,)))
    story.run()
    assert story.rollout.state is RolloutState.FINISHED
    assert called(story) == [("prepare", ""), ("open", "first"), ("close", "first"), ("smoke", "")]
    assert records(story, "hook-started")[1].detail["stage"] == "first"


def test_no_more_hooks_run_at_once_than_one_controller_runs() -> None:
    names = [f"n-{number}" for number in range(MOST_AT_ONCE + 5)]
    story = a_story(Hooks((PREPARE,)), names=names)
    story.hooks["prepare"] = [(100.0, HookResult.PASSED)] * len(names)
    story.run()
    at = [moment for moment, _ in story.called]
    most = max(sum(start <= moment < start + 100 for start in at) for moment in at)
    assert most == MOST_AT_ONCE and story.rollout.state is RolloutState.FINISHED


def test_deleted_node_has_its_hook_stopped_and_nothing_has_failed() -> None:
    story = a_story(Hooks((PREPARE,)), names=["e-0", "e-1"])
    story.hooks["prepare"] = [(5000.0, HookResult.PASSED)]
    story.run(until=lambda: len(story.called) == 2)
    story.models["east"].stranger.delete_node("e-0")
    story.run()
    assert story.run_of("e-0").step is Step.CANCELLED
    assert [call.place.subject for call in story.stopped] == ["east/e-0"]
    assert story.rollout.state is RolloutState.FINISHED


def test_checkpoint_has_the_hooks() -> None:
    story = a_story(Hooks((PREPARE,)), names=["e-0"])
    story.hooks["prepare"] = [(500.0, HookResult.PASSED)]
    story.run(until=lambda: bool(story.called))
    restored = restore_checkpoint(take_checkpoint(story.rollout))
    assert restored.hooks == story.rollout.hooks and not restored.hooks.idle
    story.run()
    assert restore_checkpoint(take_checkpoint(story.rollout)).hooks.idle


def test_hook_whose_cluster_could_not_be_worked_on_is_tried_again_and_counts_as_no_attempt() -> None:
    story = a_story(Hooks((PREPARE,)), names=["e-0"])
    story.hooks["prepare"] = [(1.0, HookResult.NOT_STARTED)] * (MOST_REPEATS + 3)
    story.run()
    assert state(story) is RolloutState.FINISHED
    assert {call.attempt for _, call in story.called} == {1} and len(story.called) == MOST_REPEATS + 4
