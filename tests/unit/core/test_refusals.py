"""The message of a server that refuses an action reaches the run and its held reasons, for every kind of action."""

from __future__ import annotations

import pytest

from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import RebootRule, StageRule
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import AnyAction, Outcome, Result
from fleet.core.rollout.steps import RolloutState, Step
from fleet.lab.simulation.builders import a_node, a_policy, a_pool, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from tests.simulated_rollout import SimulatedRollout

MESSAGE = 'admission webhook "guard.example" denied the request: ask the platform team'
REF = NodeRef("east", "n-0")


class Refusing:
    """A rollout of one node whose server refuses one kind of action, until it is switched off."""

    def __init__(self, kind: str, result: Result = Result.FAILED, nodes: int = 1) -> None:
        self.kind = kind
        self.result = result
        self.refuses = True
        self.times: list[float] = []
        pool = a_pool(
            stage=StageRule(timeout_seconds=600), reboot=RebootRule(timeout_seconds=600), failure_limit=5
        )
        snapshot = a_snapshot([a_node(f"n-{index}") for index in range(nodes)])
        self.story = SimulatedRollout([snapshot], a_policy(pool), seed=1, perform=self._perform)
        self.story.start()

    def _perform(self, action: AnyAction, at: float) -> Outcome:
        if action.kind != self.kind or not self.refuses:
            return self.story.really(action, at)
        self.times.append(at)
        return Outcome(action, self.result, MESSAGE)

    def held(self) -> list[Held]:
        found = self.story.engine.why(REF, self.story.now)
        return [each for each in found if each.reason is Reason.BACKOFF]

    def run_until_held(self, times: int = 2) -> None:
        self.story.run(until=lambda: len(self.times) >= times and bool(self.held()))


@pytest.mark.parametrize("result", [Result.FAILED, Result.UNKNOWN, Result.STALE])
@pytest.mark.parametrize("kind", ["stage", "cordon", "reboot", "uncordon"])
def test_servers_refusal_holds_the_run_until_it_is_resolved(kind: str, result: Result) -> None:
    refusing = Refusing(kind, result)
    refusing.run_until_held()
    (held,) = refusing.held()
    assert held.params["why"] == MESSAGE and held.subject == "n-0"
    refusing.refuses = False
    refusing.story.run()
    assert refusing.story.run_of("n-0").step is Step.DONE


@pytest.mark.parametrize(
    ("kind", "step"), [("stage", Step.STAGE), ("cordon", Step.CORDON), ("reboot", Step.REBOOT)]
)
def test_lasting_refusal_ends_the_run_with_the_servers_message(kind: str, step: Step) -> None:
    refusing = Refusing(kind)
    refusing.run_until_held()
    assert refusing.story.run_of("n-0").step is step
    refusing.story.run(until=lambda: refusing.story.run_of("n-0").ended)
    run = refusing.story.run_of("n-0")
    assert run.step is Step.FAILED and MESSAGE in run.why
    assert len(refusing.times) <= 12


def test_reboot_that_was_requested_and_never_came_is_not_called_refused() -> None:
    refusing = Refusing("none")
    refusing.story.run(until=lambda: refusing.story.run_of("n-0").step is Step.REBOOT)
    refusing.story.models["east"].stranger.node_ready("n-0", False)
    refusing.kind = "reboot"
    refusing.story.run(until=lambda: refusing.story.run_of("n-0").ended)
    assert MESSAGE not in refusing.story.run_of("n-0").why


def test_refused_mark_is_reported_on_waiting_nodes_and_holds_none() -> None:
    refusing = Refusing("mark", nodes=4)
    refusing.run_until_held()
    (held,) = refusing.held()
    assert held.params["why"] == MESSAGE and not held.needs_action
    refusing.story.run()
    assert set(refusing.story.steps().values()) == {Step.DONE}
    assert refusing.story.rollout.state is RolloutState.FINISHED


def test_mark_refused_for_a_day_is_tried_a_few_dozen_times() -> None:
    refusing = Refusing("mark")
    refusing.story.send("pause")
    refusing.story.send("resume")
    refusing.story.models["east"].stranger.cordon("n-0")  # it waits for somebody
    refusing.story.run(seconds=86400)
    assert refusing.story.run_of("n-0").waiting
    assert 8 < len(refusing.times) < 50


@pytest.mark.parametrize("kind", ["unmark", "clear"])
def test_failing_cleanup_of_an_ended_run_is_reported_and_retried_more_and_more_rarely(
    kind: str,
) -> None:
    refusing = Refusing(kind)
    story = refusing.story
    model = story.models["east"]
    model.behave(ClusterBehaviour(stage=1e9))
    story.run(until=lambda: model.snapshot(story.now).machines[0].request is not None)
    story.send("abort")
    refusing.run_until_held()
    (held,) = refusing.held()
    assert held.params["why"] == MESSAGE and story.rollout.active
    story.run(seconds=86400 - story.at)
    assert len(refusing.times) < 120
    refusing.refuses = False
    story.run()
    assert story.rollout.ended_at is not None
    assert not refusing.held()
