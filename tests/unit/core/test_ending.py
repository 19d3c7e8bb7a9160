"""When a rollout ends: once its nodes have no mark of it, and none can appear any more."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fleet.core.capacity.rule_counts import LabelSetCounts
from fleet.core.objects.node import NodeRef
from fleet.core.rollout.action import Cordon, Outcome, Result
from fleet.core.state.in_flight import FEW_DELAYS, RETRY_DELAY, ActionKey, InFlightActions, action_key
from fleet.core.state.requeue_timers import RequeueTimers
from fleet.lab.simulation.builders import START, a_node, a_policy, a_pool, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from tests.simulated_rollout import SimulatedRollout

QUICK = ClusterBehaviour(stage=1.0, reboot=3.0)


def from_done_to_finish(story: SimulatedRollout) -> timedelta:
    """Returns the time from the end of the last run to that of the rollout."""
    story.start()
    story.run()
    entries = story.entries
    done = [
        entry.at for entry in entries if entry.record.kind == "step" and entry.record.detail["to"] == "done"
    ]
    (finish,) = [entry.at for entry in entries if entry.record.kind == "finish"]
    (*_, cordoned) = [
        entry.at for entry in entries if entry.record.kind == "cordon" and entry.record.form == "outcome"
    ]
    assert done[-1] - cordoned < timedelta(seconds=RETRY_DELAY[Result.DONE]), (
        "the delay after the cordon is not over"
    )
    return finish - done[-1]


@pytest.mark.parametrize("nodes", [1, 3])
def test_rollout_whose_marks_were_seen_ends_with_its_last_run(nodes: int) -> None:
    fleet = a_snapshot([a_node(f"n-{number}") for number in range(nodes)])
    assert from_done_to_finish(
        SimulatedRollout([fleet], a_policy(a_pool(soak_seconds=1)), QUICK)
    ) == timedelta(0)


def test_effect_that_was_not_seen_may_appear_until_its_delay_is_over() -> None:
    actions, ref = InFlightActions(RequeueTimers()), NodeRef("east", "n-1")
    first, second = (Cordon(f"r-1/{number}", "r-1", ref, "uid") for number in (1, 2))
    key, later = action_key(first), START + timedelta(seconds=RETRY_DELAY[Result.DONE])
    assert not actions.may_appear(key, START), "it was never asked for"
    actions.add(first)
    assert actions.may_appear(key, START)
    actions.settle(Outcome(first, Result.DONE), START)
    assert actions.may_appear(key, START) and not actions.may_appear(key, later)
    actions.seen(key)
    assert not actions.may_appear(key, START)
    actions.add(second)
    assert actions.may_appear(key, later), "another party has removed the cordon: it was asked for again"
    actions.settle(Outcome(second, Result.UNKNOWN), later)
    assert actions.may_appear(key, later)


def test_delays_that_go_on_are_kept_however_many_are_over() -> None:
    actions, later = InFlightActions(RequeueTimers()), START + timedelta(hours=1)
    for number in range(3 * FEW_DELAYS):
        ref = NodeRef("east", f"n-{number}")
        actions.settle(Outcome(Cordon(f"r-1/{number}", "r-1", ref, "uid"), Result.DONE), START)
    last = Cordon("r-1/last", "r-1", NodeRef("east", "last"), "uid")
    actions.add(last)
    actions.settle(Outcome(last, Result.DONE), later)
    actions.seen(action_key(last))
    for number in range(FEW_DELAYS):
        ref = NodeRef("east", f"m-{number}")
        actions.settle(Outcome(Cordon(f"r-1/m-{number}", "r-1", ref, "uid"), Result.DONE), later)
    assert not actions.may_issue(action_key(last), later)
    assert not actions.may_appear(action_key(last), later), "its effect was seen"
    assert actions.may_issue(ActionKey(NodeRef("east", "n-0"), last.kind), later)


def test_counts_of_pods_that_are_being_deleted_end_with_them() -> None:
    counts = LabelSetCounts([])
    counts.count_deleting("n-1", 1)
    counts.count_deleting("n-1", 1)
    counts.count_deleting("n-1", -1)
    assert counts.deleting == {"n-1": 1}
    counts.count_deleting("n-1", -1)
    assert counts.deleting == {}
