"""Runs that wait are looked at again when, and only when, what holds them has changed."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.cluster.view import ClusterView
from fleet.core.engine.engine import Engine
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import CORDON_ANNOTATION, Node, NodeRef
from fleet.core.policy.times.window import Window
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import AnyAction, Cordon, Outcome, Result
from fleet.core.rollout.event import ClusterEvent, ClusterObject, ClusterSynced, Deleted, Upserted
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import RolloutState, Step
from fleet.core.state.reservations import BudgetReservations
from fleet.lab.simulation.builders import (
    NEW,
    START,
    a_budget,
    a_deployment,
    a_machine,
    a_node,
    a_policy,
    a_pool,
    a_snapshot,
)
from tests.simulated_rollout import SimulatedRollout

REF = NodeRef("east", "n-0")
SHUT = (Window((0,), time(9, 30), time(9, 50)),)


def an_engine(snapshot: Snapshot) -> Engine:
    """It knows the cluster, and is to upgrade `n-0`."""
    engine = Engine({"east": "fra"})
    events: list[ClusterEvent] = [Upserted("east", thing) for thing in snapshot.objects()]
    for event in (*events, ClusterSynced("east")):
        engine.observe(event, START)
    goal = Goal(REF, "uid-n-0", "workers")
    engine.add(Rollout("r-1", Start("p-1", NEW, a_policy(), (goal,)), START, "ada@desk"))
    return engine


def test_node_that_now_needs_less_of_a_budget_does_not_wait_for_the_budget_to_change() -> None:
    nodes = [a_node("n-0"), a_node("n-1", pool="none")]
    workloads, pods = a_deployment("shop", 4, nodes)
    budget = replace(a_budget("shop", 4, 2), disruptions_allowed=1, current_healthy=3)
    machines = [replace(a_machine(node), staged=NEW) for node in nodes]
    engine = an_engine(a_snapshot(nodes, (workloads, pods), [budget], machines=machines))
    engine.decide(START)
    engine.decide(START)
    assert [held.reason for held in engine.why(REF, START)] == [Reason.BUDGET]
    engine.observe(Deleted("east", next(pod for pod in pods if pod.node == "n-0")), START)
    engine.decide(START)
    assert engine.rollouts["r-1"].runs[REF].step is Step.CORDON


def test_node_whose_image_is_already_staged_begins_in_the_same_decision() -> None:
    node = a_node("n-0")
    engine = an_engine(a_snapshot([node], machines=[replace(a_machine(node), staged=NEW)]))
    kinds = {action.kind for action in engine.decide(START).actions}
    assert engine.rollouts["r-1"].runs[REF].step is Step.CORDON
    assert "cordon" in kinds


def test_rollout_that_ended_outside_its_window_wakes_nothing() -> None:
    story = SimulatedRollout([a_snapshot([a_node("n-0")])], a_policy(a_pool(windows=SHUT)))
    story.start()
    story.run(seconds=600)
    assert story.engine.decide(story.now).wake == START + timedelta(minutes=30)
    story.models["east"].stranger.delete_node("n-0")
    story.run(seconds=600)
    assert story.rollout.ended_at is not None
    story.at = 2400.0
    assert story.engine.decide(story.now).wake is None


def test_rollout_does_not_end_while_unseen_marks_may_exist() -> None:
    story = SimulatedRollout([a_snapshot([a_node("n-0", unschedulable=True)])], a_policy())
    story.start()
    story.turn()
    assert [action.kind for _, action, _ in story.performed] == ["mark"]
    story.send("abort")
    story.engine.decide(story.now)
    assert story.rollout.active
    story.run()
    assert not story.rollout.remaining and story.rollout.state is RolloutState.ABORTED
    node = story.models["east"].snapshot(story.now).nodes[0]
    assert not node.annotations and not node.pending_taint


def test_unanswered_request_is_withdrawn_when_another_party_has_upgraded_the_machine() -> None:
    story = SimulatedRollout([a_snapshot([a_node("n-0")])], a_policy(a_pool(windows=SHUT)))
    story.start()
    story.run(until=lambda: story.steps() == {"n-0": Step.STAGED})
    machine = story.models["east"].snapshot(story.now).machines[0]
    story.models["east"].stranger.put_machine(replace(machine, booted=NEW, staged=None, work=None))
    story.run()
    assert story.steps() == {"n-0": Step.DONE}
    assert story.models["east"].snapshot(story.now).machines[0].request is None


def test_eviction_seen_in_the_budget_before_the_pod_is_not_counted_for_ever() -> None:
    nodes = [a_node("n-0"), a_node("n-1", pool="none")]
    workloads, pods = a_deployment("shop", 2, nodes)
    budget = a_budget("shop", 2, 1)
    machines = [replace(a_machine(node), staged=NEW) for node in nodes]
    engine = an_engine(a_snapshot(nodes, (workloads, pods), [budget], machines=machines))
    cordon = next(each for each in engine.decide(START).actions if each.kind == "cordon")
    engine.observe(Outcome(cordon, Result.DONE), START)
    ours = replace(nodes[0], unschedulable=True, annotations={CORDON_ANNOTATION: "r-1"})
    engine.observe(Upserted("east", ours), START)
    evict = next(each for each in engine.decide(START).actions if each.kind == "evict")
    engine.observe(Outcome(evict, Result.DONE), START)
    view = engine.views["east"]
    assert view.pending_evictions.allowance(budget.ref) == 0
    engine.observe(Upserted("east", budget), START)
    engine.observe(Deleted("east", next(pod for pod in pods if pod.node == "n-0")), START)
    assert view.pending_evictions.allowance(budget.ref) == 1


def test_reservations_in_two_budgets_of_one_pod_are_both_returned() -> None:
    view, claims = ClusterView("east"), BudgetReservations()
    _, pods = a_deployment("shop", 1, [a_node("n-0")])
    both = [a_budget("one", 1, 1, app="shop"), a_budget("two", 1, 1, app="shop")]
    things: list[ClusterObject] = [*both, *pods]
    for thing in things:
        view.upsert(thing)
    claims.reserve(view, REF)
    assert [claims.reserved(("east", each.ref)) for each in both] == [1, 1]
    claims.release_all(REF)
    assert [claims.reserved(("east", each.ref)) for each in both] == [0, 0]


def test_new_controller_ends_no_rollout_before_it_has_seen_the_whole_cluster() -> None:
    story = SimulatedRollout([a_snapshot([a_node("n-0")])], a_policy())
    story.start()
    story.run(until=lambda: story.steps() == {"n-0": Step.STAGE})
    story.send("abort")
    engine = Engine(story.sites, rollouts_of(story.entries).values())
    for thing in story.models["east"].snapshot(story.now).objects():
        if not isinstance(thing, Machine):
            engine.observe(
                Upserted("east", replace(thing, annotations={}) if isinstance(thing, Node) else thing), START
            )
    engine.decide(story.now)
    engine.decide(story.now)
    assert engine.rollouts["r-1"].active


def test_drained_node_without_a_boot_id_is_given_back_after_the_drain_timeout() -> None:
    story = SimulatedRollout([a_snapshot([replace(a_node("n-0"), boot_id="")])], a_policy())
    story.start()
    story.run(seconds=86400)
    run = story.run_of("n-0")
    assert run.step is Step.FAILED and "boot id" in run.why and not run.boot_id


@pytest.mark.parametrize("result", [Result.DONE, Result.STALE, Result.UNKNOWN])
@pytest.mark.parametrize("cordoned", [False, True])
def test_cordon_that_never_shows_ends_the_run_after_the_drain_timeout(result: Result, cordoned: bool) -> None:
    """Whether it is the first request, or the one after another party has removed the first repeatedly."""
    asked = 0

    def perform(action: AnyAction, at: float) -> Outcome:
        nonlocal asked
        if not isinstance(action, Cordon):
            return story.really(action, at)
        asked += 1
        if not cordoned or asked > 1:
            return Outcome(action, result, "in other words")
        done = story.really(action, at)
        story.models["east"].stranger.uncordon("n-0")
        return done

    story = SimulatedRollout([a_snapshot([a_node("n-0")])], a_policy(), perform=perform)
    story.start()
    story.run(seconds=86400)
    run = story.run_of("n-0")
    timeout = story.rollout.pool(run).drain.timeout_seconds
    assert run.step is Step.FAILED and f"not cordoned within {timeout} s" in run.why
    assert ("in other words" in run.why) == (result is not Result.DONE)
