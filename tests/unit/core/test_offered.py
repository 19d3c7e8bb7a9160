"""Barriers, dead ends and phased rollouts of a stream hold nodes, in plans and in rollouts alike."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from fleet.core.guards.phasing import wariness
from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.policy.policy import Amount, Limits, Policy, Pool
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.phasing import Phasing
from fleet.core.releases.release import Release, Stream
from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import NEW, OLD, START, a_node, a_pool, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.simulated_rollout import SimulatedRollout

BETWEEN = Release("between", "sha256:" + "5" * 64)
NODE = NodeRef("east", "n-0")
BARRIER = Stream("stable", (OLD, replace(BETWEEN, barrier="new keys"), NEW))
DEAD_END = Stream("stable", (replace(OLD, dead_end="wrong keys"), NEW))
NO_WAY = Stream("stable", (OLD, BETWEEN, replace(NEW, upgrades_from=("between",))))
UNKNOWN = Stream("stable", (replace(BETWEEN, barrier="new keys"), NEW))


def a_policy(stream: Stream, pool: Pool | None = None) -> Policy:
    return Policy(pools=(pool or a_pool(limits=Limits(max_unavailable=Amount(9))),), streams=(stream,))


@pytest.mark.parametrize(
    ("stream", "reason", "params"),
    [
        (BARRIER, Reason.BARRIER, {"next": "between", "why": ": new keys"}),
        (DEAD_END, Reason.DEAD_END, {"why": ": wrong keys"}),
        (NO_WAY, Reason.BARRIER, {"next": "between", "why": ""}),
        (
            replace(NO_WAY, releases=(OLD, replace(BETWEEN, dead_end=""), *NO_WAY.releases[2:])),
            Reason.NO_WAY,
            {},
        ),
        (UNKNOWN, Reason.NOT_IN_STREAM, {}),
    ],
)
def test_node_that_may_not_go_directly_is_held(
    stream: Stream, reason: Reason, params: dict[str, str]
) -> None:
    policy, cluster = a_policy(stream), a_snapshot([a_node("n-0")])
    plan = make_plan(PlanRequest("", [cluster], policy, ["workers"], NEW, START, DurationEstimates()))
    (hold,) = plan.held
    assert not plan.runs and hold.held is not None and hold.held.reason is reason and hold.remedy
    story = SimulatedRollout([cluster], policy)
    story.start()
    story.run(seconds=3600)
    assert story.steps() == {"n-0": Step.PENDING}
    held = next(iter(story.engine.why(NODE, story.now)))
    assert held.reason is reason and held.subject == OLD.version and params.items() <= held.params.items()


def test_barrier_itself_is_reached() -> None:
    policy = a_policy(BARRIER)
    story = SimulatedRollout([a_snapshot([a_node("n-0")])], policy)
    story.start(BARRIER.releases[1])
    story.run()
    assert story.steps() == {"n-0": Step.DONE}


def test_way_back_over_a_barrier_is_free() -> None:
    policy = a_policy(Stream("stable", (NEW, replace(BETWEEN, barrier=""), OLD)))
    story = SimulatedRollout([a_snapshot([a_node("n-0")])], policy)
    story.start()
    story.run()
    assert story.steps() == {"n-0": Step.DONE}


def phased(phasing: Phasing) -> Release:
    return replace(NEW, rollout=phasing)


def test_nodes_go_as_they_are_offered_the_release_and_an_offered_one_is_the_canary() -> None:
    pool = a_pool(limits=Limits(max_unavailable=Amount(9)), canaries=1)
    nodes = [a_node(f"n-{number}", machine_id=f"{number:032x}") for number in range(4)]
    release = phased(Phasing(START - timedelta(hours=1), 0.0, 2880))
    opens = {node.name: release.rollout.opens(wariness(node, pool)) for node in nodes if release.rollout}
    first = min(opens, key=lambda name: opens[name] or START)
    policy = a_policy(Stream("stable", (OLD, release)), pool)
    plan = make_plan(
        PlanRequest("", [a_snapshot(nodes)], policy, ["workers"], release, START, DurationEstimates())
    )
    assert plan.held == () and len(plan.runs) == 4
    for run in plan.runs:
        opened, cordon = opens[run.node], next(step.start for step in run.steps if step.step != "stage")
        assert opened is not None and START + timedelta(seconds=cordon) >= opened
        assert run.canary is (run.node == first)
    story = SimulatedRollout([a_snapshot(nodes)], policy)
    story.start(release)
    story.run(seconds=60)
    waiting = {held.reason for held in story.engine.why(NodeRef("east", first), story.now)}
    assert Reason.OFFERED_LATER in waiting
    story.run(seconds=2 * 86400)
    assert set(story.steps().values()) == {Step.DONE}


def test_node_that_will_never_be_offered_the_release_is_held() -> None:
    release = phased(Phasing(START, 0.25))
    story = SimulatedRollout([a_snapshot([a_node("n-0")])], a_policy(Stream("stable", (OLD, release))))
    story.start(release)
    story.run(seconds=86400)
    (held,) = story.engine.why(NODE, story.now)
    assert held.reason is Reason.NOT_OFFERED and held.params["percent"] == 25


@pytest.mark.parametrize(("place", "step"), [(0.0, Step.DONE), (0.25, Step.DONE), (0.26, Step.STAGED)])
def test_pool_may_have_a_place_of_its_own(place: float, step: Step) -> None:
    release = phased(Phasing(START, 0.25))
    pool = a_pool(rollout_wariness=place)
    story = SimulatedRollout([a_snapshot([a_node("n-0")])], a_policy(Stream("stable", (OLD, release)), pool))
    story.start(release)
    story.run(seconds=86400)
    assert story.steps() == {"n-0": step}


def test_release_that_is_offered_to_all_needs_no_place() -> None:
    assert NEW.rollout is UNSET
