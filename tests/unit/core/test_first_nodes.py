"""Nodes that no limit holds begin as upgraded nodes can take their pods, so that few pods move twice."""

from __future__ import annotations

from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Amount, Limits, Pool, StageRule
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.steps import HAS_SLOT, Step
from fleet.lab.simulation.builders import a_deployment, a_node, a_policy, a_pool, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from tests.simulated_rollout import SimulatedRollout

UNLIMITED = a_pool(limits=Limits(max_unavailable=None), stage=StageRule(concurrency=500), failure_limit=500)


def a_story(count: int, pool: Pool = UNLIMITED, failing: int = 0, pods: int = 1) -> SimulatedRollout:
    """Nodes with so many pods each, which have no budget. The first `failing` ones do not come back from their reboot."""
    behaviour = ClusterBehaviour(failures={f"n-{number:03}": "never-back" for number in range(failing)})
    nodes = [a_node(f"n-{number:03}") for number in range(count)]
    story = SimulatedRollout(
        [a_snapshot(nodes, a_deployment("shop", pods * count, nodes))], a_policy(pool), behaviour
    )
    story.start()
    return story


def out(story: SimulatedRollout) -> int:
    return sum(step in HAS_SLOT for step in story.steps().values())


def done(story: SimulatedRollout) -> int:
    return sum(step is Step.DONE for step in story.steps().values())


def test_an_eighth_of_the_nodes_begins_and_five_more_for_each_that_is_upgraded() -> None:
    story = a_story(100)
    peaks: dict[int, int] = {}

    def count() -> bool:
        peaks[done(story)] = max(out(story), peaks.get(done(story), 0))
        return False

    story.run(until=lambda: out(story) > 0)
    assert out(story) == 12
    waiting = next(name for name, step in story.steps().items() if step is Step.STAGED)
    (held,) = story.engine.why(NodeRef("east", waiting), story.now)
    assert (held.reason, held.params["out"], held.params["upgraded"]) == (Reason.FIRST_NODES, 12, 0)
    story.run(until=count)
    assert set(story.steps().values()) == {Step.DONE}
    assert all(peak <= max(12, 5 * upgraded) for upgraded, peak in peaks.items()) and max(peaks.values()) > 40


def test_few_nodes_all_begin_but_the_one_that_takes_their_pods() -> None:
    story = a_story(9)
    story.run(until=lambda: out(story) > 0)
    assert out(story) == 8


def test_nodes_without_pods_all_begin() -> None:
    story = a_story(100, pods=0)
    story.run(until=lambda: out(story) > 0)
    assert out(story) == 100


def test_a_limit_of_the_policy_takes_the_place_of_it() -> None:
    story = a_story(100, replace(UNLIMITED, limits=Limits(max_unavailable=Amount(50))))
    story.run(until=lambda: out(story) > 0)
    assert out(story) == 50


def test_first_nodes_that_do_not_come_back_do_not_hold_the_others() -> None:
    story = a_story(100, failing=12)
    story.run()
    assert done(story) == 88


def test_controller_that_was_killed_counts_the_upgraded_nodes_again() -> None:
    story = a_story(100)
    story.run(until=lambda: done(story) >= 12)
    story.kill()
    story.run(until=lambda: out(story) > 40)
    assert out(story) > 40
