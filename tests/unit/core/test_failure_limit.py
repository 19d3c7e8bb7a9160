"""How many failures a rollout takes before it halts: a number, or a share of its nodes."""

from __future__ import annotations

from typing import NoReturn

import pytest

from fleet.core.guards import gates
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Amount
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import RolloutState
from fleet.lab.simulation.builders import a_node, a_policy, a_pool, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from tests.simulated_rollout import SimulatedRollout


@pytest.mark.parametrize(("limit", "failed"), [(2, 2), (Amount(20, True), 2), (Amount(1, True), 1)])
def test_rollout_halts_at_the_limit(limit: int | Amount, failed: int) -> None:
    nodes = [a_node(f"n-{number:02}") for number in range(10)]
    failures = ClusterBehaviour(failures={node.name: "never-back" for node in nodes})
    pool = a_pool(limits=a_pool().limits, failure_limit=limit)
    story = SimulatedRollout([a_snapshot(nodes)], a_policy(pool), failures)
    story.start()
    story.run(seconds=7200)
    assert story.rollout.state is RolloutState.HALTED
    assert f"{story.rollout.failures} failed, the limit is {failed}" in story.rollout.why


class NeverPassedOver(dict[NodeRef, Run]):
    def values(self) -> NoReturn:
        raise AssertionError("a pass over all runs")


def test_failure_below_the_limit_costs_no_pass_over_all_runs() -> None:
    nodes = [a_node(f"n-{number:02}") for number in range(10)]
    pool = a_pool(limits=a_pool().limits, failure_limit=3)
    story = SimulatedRollout(
        [a_snapshot(nodes)], a_policy(pool), ClusterBehaviour(failures={"n-03": "never-back"})
    )
    story.start(canaries=["n-00"])
    story.run(until=lambda: story.rollout.failures == 1)
    story.rollout.runs = NeverPassedOver(story.rollout.runs)
    assert gates.failures(story.rollout) == ""
    story.rollout.failure_limit = 1
    with pytest.raises(AssertionError, match="a pass"):
        gates.failures(story.rollout)
