"""A workload that comes back to the drained node is evicted a few times, and then the run fails with the reason."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef, Toleration
from fleet.core.objects.pod import Owner, Pod, PodRef
from fleet.core.objects.workload import Workload
from fleet.core.policy.policy import DrainRule
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import AnyAction, Evict, Outcome, Result
from fleet.core.rollout.event import Upserted
from fleet.core.rollout.returning_pods import LATE, PAUSES, EvictionMemory, times_returned, tolerates_cordons
from fleet.core.rollout.steps import RolloutState, Step
from fleet.lab.simulation.builders import (
    NEW,
    a_budget,
    a_deployment,
    a_node,
    a_policy,
    a_pool,
    a_snapshot,
)
from tests.simulated_rollout import SimulatedRollout

EVERYTHING = (Toleration(operator="Exists"),)
CORDONS = (Toleration("node.kubernetes.io/unschedulable", "Exists", effect="NoSchedule"),)


def drained(story: SimulatedRollout, name: str = "n-0") -> list[tuple[float, str]]:
    """When which pod's eviction from the node was granted."""
    return [
        (at, action.pod.name)
        for at, action, result in story.performed
        if isinstance(action, Evict) and action.node.name == name and result is Result.DONE
    ]


def story_of(replicas: int = 1, nodes: int = 1, **pod: object) -> SimulatedRollout:
    """A Deployment on the first node, and no other node that takes its pods; the node alone is upgraded."""
    found = [a_node(f"n-{index}") for index in range(nodes)]
    workloads, pods = a_deployment("agent", replicas, found[:1])
    own = [replace(each, node_selector={"pool": "workers"}, **pod) for each in pods]
    pool = a_pool(drain=DrainRule(no_room="evict", timeout_seconds=3600))
    return SimulatedRollout([a_snapshot(found, (workloads, own))], a_policy(pool))


def test_returning_pod_is_evicted_four_times_with_growing_pauses_and_its_workload_named() -> None:
    story = story_of(tolerations=EVERYTHING)
    story.start()
    story.run()
    times = [at for at, _ in drained(story)]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(times) == 1 + len(PAUSES)
    assert all(gap >= pause for gap, pause in zip(gaps, PAUSES, strict=True))
    run = story.run_of("n-0")
    assert run.step is Step.FAILED
    for word in ("Deployment web/agent", "every taint", "skip"):
        assert word in run.why
    node = story.models["east"].snapshot(story.now).nodes[0]
    assert not node.unschedulable, "the node was given back"


def test_pods_that_return_together_are_evicted_one_after_another_with_growing_pauses() -> None:
    """Found by a history: two of one workload were evicted in the same instant."""
    story = story_of(replicas=2, tolerations=EVERYTHING)
    story.start()
    story.run()
    times = [at for at, _ in drained(story)]
    assert len(times) == 2 + len(PAUSES)
    gaps = [later - earlier for earlier, later in pairwise(times[1:])]
    assert all(gap >= pause for gap, pause in zip(gaps, PAUSES, strict=True))
    assert story.run_of("n-0").step is Step.FAILED


def test_waiting_run_names_the_workload_and_the_node() -> None:
    story = story_of(tolerations=CORDONS)
    story.start()
    ref = NodeRef("east", "n-0")

    def waits() -> bool:
        return any(held.reason is Reason.COMES_BACK for held in story.engine.why(ref, story.now))

    story.run(until=waits)
    held = next(each for each in story.engine.why(ref, story.now) if each.reason is Reason.COMES_BACK)
    assert (held.subject, held.params["node"], held.params["times"]) == (
        "Deployment web/agent",
        "n-0",
        "once",
    )
    assert "node.kubernetes.io/unschedulable" in str(held.params["why"]) and held.remedy


def test_initial_pods_of_one_workload_are_no_returns() -> None:
    """Ten replicas go at once, and only what comes back is counted."""
    story = story_of(10, tolerations=EVERYTHING)
    story.start()
    story.run()
    assert len(drained(story)) == 10 + len(PAUSES)
    assert story.run_of("n-0").step is Step.FAILED


def test_kill_after_every_eviction_does_not_restart_the_count() -> None:
    story = story_of(tolerations=EVERYTHING)
    story.start()
    for count in range(1, 3 + len(PAUSES)):
        story.run(until=lambda count=count: len(drained(story)) >= count)  # type: ignore[misc]
        story.kill()
    assert story.run_of("n-0").step is Step.FAILED
    assert len(drained(story)) == 1 + len(PAUSES)


@pytest.mark.parametrize(("kind", "named"), [("", "Pod in web"), ("Job", "Job in web")])
def test_pods_created_one_by_one_are_counted_together(kind: str, named: str) -> None:
    """Each has a name, or an owner, of its own: who makes them is not known, and does not end."""
    made = 2
    jobs: list[Workload] = []

    def a_pod(number: int) -> Pod:
        owner = Owner(kind, f"o-{number}", f"uid-o-{number}") if kind else None
        # What makes it again is not the Job: that has failed.
        jobs.append(Workload("Job", "web", f"o-{number}", f"uid-o-{number}", 0, 0))
        return Pod("web", f"p-{number}", f"uid-p-{number}", "n-0", owner=owner, tolerations=EVERYTHING)

    pool = a_pool(drain=DrainRule(no_room="evict", unmanaged="evict", timeout_seconds=3600))
    pods = [a_pod(0), a_pod(1)]
    story = SimulatedRollout([a_snapshot([a_node("n-0")], (jobs, pods))], a_policy(pool))
    story.start()
    model = story.models["east"]

    def make_another() -> bool:
        nonlocal made
        there = [pod for pod in model.snapshot(story.now).pods if not pod.deleting]
        if story.run_of("n-0").step is Step.DRAIN and not there and made < 50:
            pod = a_pod(made)
            model.stranger.put_workload(jobs[made])
            model.stranger.add_pod(pod)
            made += 1
        return story.run_of("n-0").ended

    story.run(until=make_another)
    run = story.run_of("n-0")
    assert run.step is Step.FAILED and named in run.why and "every taint" in run.why
    times = [at for at, _ in drained(story)]
    # Two that were there, the first that came, and those that came after it.
    assert len(times) == 2 + 1 + len(PAUSES)
    gaps = [later - earlier for earlier, later in pairwise(times[2:])]
    assert all(gap >= pause for gap, pause in zip(gaps, PAUSES, strict=True))


def test_pods_of_custom_resources_that_wait_for_their_budgets_have_not_returned() -> None:
    """A controller that is killed looks at all of them anew, and knows of none how long it has been there."""
    owners = [Owner("Cluster", f"c-{index}", f"uid-c-{index}") for index in range(6)]
    pods = [
        Pod("web", f"p-{index}", f"uid-p-{index}", "n-0", labels={"app": f"c{index}"}, owner=owner)
        for index, owner in enumerate(owners)
    ]
    shut = [replace(a_budget(f"c{index}", 1, 1), disruptions_allowed=0) for index in range(6)]
    nodes = [a_node("n-0"), a_node("n-1", pool="others")]
    story = SimulatedRollout([a_snapshot(nodes, ([], pods), shut)], a_policy())
    story.start()
    for budget in shut:
        story.engine.observe(Upserted("east", replace(budget, disruptions_allowed=1)), story.now)
    story.run(until=lambda: story.run_of("n-0").step is Step.DRAIN)
    story.kill()
    story.run(seconds=3600)
    assert not [
        held
        for held in story.engine.why(NodeRef("east", "n-0"), story.now)
        if held.reason is Reason.COMES_BACK
    ]
    assert story.run_of("n-0").step is Step.DONE


def test_pods_bound_past_the_scheduler_are_counted_too() -> None:
    """Their template names the node (spec.nodeName): no toleration shows it."""
    story = story_of()
    story.start()
    model, made = story.models["east"], 0

    def bind() -> bool:
        nonlocal made
        for pod in model.snapshot(story.now).pods:
            if not pod.node and not pod.deleting and story.run_of("n-0").step is Step.DRAIN:
                made += 1
                model.stranger.place_pod(pod.ref, "n-0")
        return False

    story.run(until=bind)
    assert made > len(PAUSES)
    assert len(drained(story)) == 2 + len(PAUSES), "the first that came back may have been news from before"
    assert "spec.nodeName" in story.run_of("n-0").why


def test_pod_bound_before_the_cordon_and_seen_after_it_has_not_returned() -> None:
    nodes = [a_node("n-0"), a_node("n-1")]
    workloads, pods = a_deployment("shop", 1, nodes[:1])
    story = SimulatedRollout([a_snapshot(nodes, (workloads, pods))], a_policy())
    story.start()
    story.run(until=lambda: bool(drained(story)))
    late = replace(pods[0], name="shop-1-late", uid="late")
    story.engine.observe(Upserted("east", late), story.now)
    decision = story.engine.decide(story.now)
    assert not [action for action in decision.actions if isinstance(action, Evict)]
    decision = story.engine.decide(story.now + LATE)
    (sent,) = [action for action in decision.actions if isinstance(action, Evict)]
    assert (sent.pod_uid, sent.there) == ("late", 2)


def test_refused_eviction_is_not_counted() -> None:
    refused = 0

    def refuse(action: AnyAction, at: float) -> Outcome:
        nonlocal refused
        if isinstance(action, Evict) and refused < 20:
            refused += 1
            return Outcome(action, Result.REFUSED, "not now")
        return story.really(action, at)

    nodes = [a_node("n-0"), a_node("n-1")]
    snapshot = a_snapshot(nodes, a_deployment("shop", 1, nodes[:1]))
    story = SimulatedRollout([snapshot], a_policy(), perform=refuse)
    story.start()
    story.run()
    assert refused == 20
    assert set(story.steps().values()) == {Step.DONE}


def test_return_counts() -> None:
    known = EvictionMemory(2, ("a", "b"))
    assert [times_returned(known, uid) for uid in ("a", "c")] == [0, 1]
    assert times_returned(EvictionMemory(2, ("a",)), "b") == 0
    assert times_returned(None, "a") == 0


def test_workloads_that_tolerate_a_cordon() -> None:
    def pod(*tolerations: Toleration) -> Pod:
        return Pod("web", "p", "u", tolerations=tolerations)

    assert tolerates_cordons(pod(*EVERYTHING)) and tolerates_cordons(pod(*CORDONS))
    assert not tolerates_cordons(pod())
    assert not tolerates_cordons(
        pod(Toleration("node.kubernetes.io/not-ready", "Exists", effect="NoExecute"))
    )


def test_abort_stops_evictions_at_once_and_gives_the_node_back() -> None:
    story = story_of(tolerations=EVERYTHING)
    story.start()
    story.run(until=lambda: len(drained(story)) == 2)
    story.send("abort")
    story.run()
    assert len(drained(story)) == 2
    run = story.run_of("n-0")
    assert run.step is Step.CANCELLED and "ada" in run.why and not run.slot
    node = story.models["east"].snapshot(story.now).nodes[0]
    assert not node.unschedulable and not node.annotations and not node.pending_taint
    assert story.engine.idle


def test_failed_run_stays_failed_after_an_abort() -> None:
    story = story_of(tolerations=EVERYTHING)
    story.start()
    story.run(until=lambda: story.run_of("n-0").step is Step.RETURN)
    story.send("abort")
    story.run()
    assert story.run_of("n-0").step is Step.FAILED


def test_abort_lets_a_requested_reboot_finish() -> None:
    nodes = [a_node("n-0"), a_node("n-1")]
    story = SimulatedRollout([a_snapshot(nodes, a_deployment("shop", 2, nodes))], a_policy())
    story.start()
    story.run(until=lambda: story.run_of("n-0").step in (Step.REBOOT, Step.VERIFY))
    story.send("abort")
    story.run()
    assert story.run_of("n-0").step is Step.DONE
    assert NEW.version in story.run_of("n-0").proof["version"]


def test_halt_lets_running_nodes_finish() -> None:
    """A halt is about the release, and no command of a user: drains that have begun continue."""
    nodes = [a_node("n-0"), a_node("n-1")]
    snapshot = a_snapshot(nodes, a_deployment("shop", 2, nodes))
    story = SimulatedRollout([snapshot], a_policy())
    story.start()
    story.run(until=lambda: story.run_of("n-0").step is Step.DRAIN)
    story.rollout.state = RolloutState.HALTED
    story.run(until=lambda: story.run_of("n-0").ended)
    assert story.run_of("n-0").step is Step.DONE


def test_message_of_a_failing_webhook_is_in_the_reason_and_the_end_of_the_run() -> None:
    message = 'Internal error occurred: failed calling webhook "guard.example.com": connection refused'

    def refuse(action: AnyAction, at: float) -> Outcome:
        if isinstance(action, Evict):
            return Outcome(action, Result.FAILED, message)
        return story.really(action, at)

    nodes = [a_node("n-0")]
    pod = Pod("default", "db-0", "u-db-0", "n-0")
    pool = a_pool(drain=DrainRule(unmanaged="evict", timeout_seconds=60))
    story = SimulatedRollout([a_snapshot(nodes, ([], [pod]))], a_policy(pool), perform=refuse)
    story.start()
    ref = NodeRef("east", "n-0")
    story.run(until=lambda: any(message in held.message for held in story.engine.why(ref, story.now)))
    (held,) = story.engine.why(ref, story.now)
    assert held.reason is Reason.BACKOFF and held.params["what"] == f"eviction of {PodRef('default', 'db-0')}"
    story.run(until=lambda: story.run_of("n-0").ended)
    assert story.run_of("n-0").why == f"not drained within 60 s: default/db-0: {message}"
