"""When a rollout ends: once its nodes have no mark of it, and none can appear any more."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fleet.core.objects.node import NodeRef
from fleet.core.rollout.action import Cordon, Outcome, Result
from fleet.core.state.in_flight import RETRY_DELAY, InFlightActions, action_key
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
