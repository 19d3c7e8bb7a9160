"""Stories of rollouts: a fleet in a few lines, what happens, what must hold."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import PodRef
from fleet.core.policy.policy import Amount, DrainRule, Limits, StageRule
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import AnyAction, Cordon, Evict, Outcome, Reboot, Result
from fleet.core.rollout.event import ClusterLost, ClusterSynced
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.steps import RolloutState, Step
from fleet.lab.simulation.builders import (
    NEW,
    a_budget,
    a_deployment,
    a_machine,
    a_node,
    a_policy,
    a_pool,
    a_snapshot,
)
from fleet.model.behaviour import ClusterBehaviour
from tests.golden import GoldenFiles
from tests.simulated_rollout import SimulatedRollout


def small_fleet(count: int = 4, replicas: int = 6, allowed: int = 1) -> SimulatedRollout:
    nodes = [a_node(f"n-{index}", zone="abc"[index % 3]) for index in range(count)]
    snapshot = a_snapshot(nodes, a_deployment("shop", replicas, nodes), [a_budget("shop", replicas, allowed)])
    return SimulatedRollout([snapshot], a_policy())


def reasons(story: SimulatedRollout, name: str) -> list[Reason]:
    return [held.reason for held in story.engine.why(NodeRef("east", name), story.now)]


def test_every_node_is_upgraded_proven_and_left_clean() -> None:
    story = small_fleet()
    story.start()
    story.run()
    assert set(story.steps().values()) == {Step.DONE}
    assert story.rollout.state is RolloutState.FINISHED
    for node in story.models["east"].snapshot(story.now).nodes:
        assert node.available and not node.pending_taint and not node.annotations
        assert node.kernel == NEW.kernel
        proof = story.run_of(node.name).proof
        assert proof["boot_id_after"] == node.boot_id != proof["boot_id_before"]
        assert proof["digest"] == NEW.digest


def test_each_node_is_cordoned_drained_and_rebooted_once_in_that_order() -> None:
    story = small_fleet()
    story.start()
    story.run()
    for name in story.steps():
        done = [
            action
            for _, action, result in story.performed
            if action.node.name == name and result is Result.DONE
        ]
        kinds = [type(action) for action in done if isinstance(action, Cordon | Evict | Reboot)]
        assert kinds[0] is Cordon and kinds[-1] is Reboot
        assert kinds.count(Cordon) == kinds.count(Reboot) == 1


def test_no_more_nodes_are_out_than_the_pool_allows() -> None:
    story = small_fleet(count=8)
    story.start()
    most = 0

    def count() -> bool:
        nonlocal most
        most = max(most, sum(not node.available for node in story.models["east"].snapshot(story.now).nodes))
        return False

    story.run(until=count)
    assert most == 2


def test_zone_limit_holds_and_is_the_reason() -> None:
    nodes = [a_node(f"n-{index}", zone="a") for index in range(4)]
    pool = a_pool(limits=Limits(max_unavailable=Amount(3), per_zone=Amount(1)))
    story = SimulatedRollout([a_snapshot(nodes)], a_policy(pool))
    story.start()
    story.run(until=lambda: any(run.touched for run in story.rollout.runs.values()))
    story.run(seconds=20)
    waiting = next(name for name, step in story.steps().items() if step is Step.STAGED)
    assert reasons(story, waiting) == [Reason.ZONE_LIMIT]


def test_foreign_cordon_holds_its_node_and_stays() -> None:
    nodes = [a_node("n-0"), a_node("n-1", unschedulable=True)]
    story = SimulatedRollout([a_snapshot(nodes)], a_policy())
    story.start()
    story.run(seconds=3600)
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.PENDING}
    assert reasons(story, "n-1") == [Reason.FOREIGN_CORDON]
    story.models["east"].stranger.uncordon("n-1")
    story.run()
    assert story.steps()["n-1"] is Step.DONE


@pytest.mark.parametrize(
    ("annotations", "reason", "party", "name"),
    [
        ({"weave.works/kured-reboot-in-progress": "2026-11-23T12:00:00Z"}, Reason.OTHERS, "kured", "kured"),
        (
            {"flatcar-linux-update.v1.flatcar-linux.net/agent-made-unschedulable": "true"},
            Reason.OTHERS,
            "Flatcar's update operator",
            "flatcar",
        ),
        (
            {"flatcar-linux-update.v1.flatcar-linux.net/agent-made-unschedulable": "false"},
            Reason.FOREIGN_CORDON,
            "",
            "nobody",
        ),
    ],
)
def test_cordon_of_another_party_that_reboots_nodes_names_the_party(
    annotations: dict[str, str], reason: Reason, party: str, name: str, golden: GoldenFiles
) -> None:
    nodes = [a_node("n-0"), a_node("n-1", unschedulable=True, annotations=annotations)]
    story = SimulatedRollout([a_snapshot(nodes)], a_policy())
    story.start()
    story.run(seconds=3600)
    held = story.engine.why(NodeRef("east", "n-1"), story.now)
    assert [(each.reason, each.params.get("party", "")) for each in held] == [(reason, party)]
    assert [each.needs_action for each in held] == [not party]
    golden.check(held[0].message, name)
    assert story.steps()["n-1"] is Step.PENDING


def test_budget_that_allows_nothing_holds_its_node_until_it_is_changed() -> None:
    nodes = [a_node("n-0"), a_node("n-1")]
    budget = replace(a_budget("checkout", 1, 0), max_unavailable=None, min_available=1, desired_healthy=1)
    story = SimulatedRollout([a_snapshot(nodes, a_deployment("checkout", 1, nodes), [budget])], a_policy())
    story.start()
    story.run(seconds=3600)
    assert story.steps() == {"n-0": Step.STAGED, "n-1": Step.DONE}
    held = story.engine.why(NodeRef("east", "n-0"), story.now)
    assert [each.reason for each in held] == [Reason.BUDGET_NEVER]
    assert held[0].subject == "web/checkout"
    assert (held[0].params["replicas"], held[0].params["workload"]) == ("1 replica", "web/checkout")
    story.models["east"].stranger.put_budget(replace(budget, min_available=0))
    story.run()
    assert story.steps()["n-0"] is Step.DONE


def test_refused_eviction_is_sent_again_after_retry_after_and_no_sooner() -> None:
    asked: dict[str, list[float]] = {}

    def overloaded(action: AnyAction, at: float) -> Outcome:
        if not isinstance(action, Evict):
            return story.really(action, at)
        times = asked.setdefault(action.pod_uid, [])
        times.append(at)
        if len(times) == 1:
            return Outcome(action, Result.REFUSED, "Too many requests", retry_after=40.0)
        return story.really(action, at)

    nodes = [a_node("n-0"), a_node("n-1")]
    story = SimulatedRollout(
        [a_snapshot(nodes, a_deployment("shop", 2, nodes))], a_policy(), perform=overloaded
    )
    story.start()
    story.run()
    assert set(story.steps().values()) == {Step.DONE}
    assert asked and {times[1] - times[0] for times in asked.values()} == {40.0}


def test_unmanaged_pods_hold_their_node_unless_the_policy_lets_them_go() -> None:
    nodes = [a_node("n-0")]
    workloads, pods = a_deployment("debug", 1, nodes, "ops")
    lonely = (workloads, [replace(pods[0], owner=None)])
    story = SimulatedRollout([a_snapshot(nodes, lonely)], a_policy())
    story.start()
    story.run(seconds=3600)
    assert reasons(story, "n-0") == [Reason.UNMANAGED]
    free = SimulatedRollout([a_snapshot(nodes, lonely)], a_policy(a_pool(drain=DrainRule(unmanaged="evict"))))
    free.start()
    free.run()
    assert free.steps()["n-0"] is Step.DONE


def test_pod_of_two_budgets_holds_its_node() -> None:
    nodes = [a_node("n-0"), a_node("n-1")]
    budgets = [a_budget("one", 2, 1, app="shop"), a_budget("two", 2, 1, app="shop")]
    story = SimulatedRollout([a_snapshot(nodes, a_deployment("shop", 2, nodes), budgets)], a_policy())
    story.start()
    story.run(seconds=3600)
    assert reasons(story, "n-0") == [Reason.SEVERAL_BUDGETS]
    story.models["east"].stranger.delete_budget(PodRef("web", "two"))
    story.run()
    assert set(story.steps().values()) == {Step.DONE}


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("never-back", "has not come back"),
        ("old-version", "rolled back"),
        ("not-ready", "kubelet not Ready"),
        ("stage-fails", "staging failed"),
    ],
)
def test_failed_node_halts_the_rollout_and_keeps_its_slot(failure: str, message: str) -> None:
    nodes = [a_node(f"n-{index}") for index in range(3)]
    pool = a_pool(limits=Limits(max_unavailable=Amount(1)))
    story = SimulatedRollout([a_snapshot(nodes)], a_policy(pool), ClusterBehaviour(failures={"n-0": failure}))  # type: ignore[dict-item]
    story.start(canaries=["n-0"])
    story.run(seconds=20000)
    run = story.run_of("n-0")
    assert run.step is Step.FAILED and message in run.why
    assert story.rollout.state is RolloutState.HALTED
    assert run.slot is (failure != "stage-fails")
    assert {story.steps()["n-1"], story.steps()["n-2"]} == {Step.PENDING}


def test_release_and_resume_give_the_failed_node_back_and_the_rest_continues() -> None:
    nodes = [a_node(f"n-{index}") for index in range(3)]
    pool = a_pool(limits=Limits(max_unavailable=Amount(1)))
    story = SimulatedRollout(
        [a_snapshot(nodes)], a_policy(pool), ClusterBehaviour(failures={"n-0": "old-version"})
    )
    story.start()
    story.run(until=lambda: story.rollout.state is RolloutState.HALTED)
    story.run(seconds=600)
    assert story.models["east"].snapshot(story.now).nodes[0].cordoned_by == "r-1"
    story.send("release", "east/n-0")
    story.send("resume")
    story.run()
    assert story.steps() == {"n-0": Step.FAILED, "n-1": Step.DONE, "n-2": Step.DONE}
    node = story.models["east"].snapshot(story.now).nodes[0]
    assert node.available and not node.annotations and not node.pending_taint


def test_abort_finishes_running_nodes_and_leaves_no_marks() -> None:
    story = small_fleet(count=6)
    story.start()
    story.run(until=lambda: Step.REBOOT in story.steps().values())
    rebooting = {name for name, step in story.steps().items() if step is Step.REBOOT}
    story.send("abort")
    story.run()
    ended = story.steps()
    assert {name for name, step in ended.items() if step is Step.DONE} >= rebooting
    assert set(ended.values()) == {Step.DONE, Step.CANCELLED}
    assert story.rollout.ended_at is not None
    for node in story.models["east"].snapshot(story.now).nodes:
        assert node.available and not node.annotations and not node.pending_taint


def test_pause_stops_evictions_and_reboots_but_gives_rebooted_nodes_back() -> None:
    story = small_fleet(count=6, replicas=12)
    story.start()
    story.run(until=lambda: Step.REBOOT in story.steps().values())
    story.send("pause")
    before = len(story.performed)
    story.run(seconds=3600)
    later = [action for _, action, _ in story.performed[before:]]
    assert not any(isinstance(action, Evict | Reboot | Cordon) for action in later)
    assert not {Step.VERIFY, Step.REBOOT, Step.UNCORDON} & set(story.steps().values())
    story.send("resume")
    story.run()
    assert set(story.steps().values()) == {Step.DONE}


def test_user_who_uncordons_a_draining_node_causes_no_reboot_under_its_pods() -> None:
    story = small_fleet(count=3, replicas=9)
    story.start()
    story.run(until=lambda: Step.DRAIN in story.steps().values())
    name = next(name for name, step in story.steps().items() if step is Step.DRAIN)
    story.models["east"].stranger.uncordon(name)
    story.run()
    cordons = [
        action for _, action, _ in story.performed if isinstance(action, Cordon) and action.node.name == name
    ]
    assert len(cordons) == 2
    assert set(story.steps().values()) == {Step.DONE}


def test_user_who_uncordons_a_drained_node_before_its_reboot_has_it_drained_again() -> None:
    held_back = True

    def perform(action: AnyAction, at: float) -> Outcome:
        if held_back and isinstance(action, Reboot):
            return Outcome(action, Result.STALE, "409")
        return story.really(action, at)

    nodes = [a_node(f"n-{index}") for index in range(2)]
    snapshot = a_snapshot(nodes, a_deployment("shop", 2, nodes))
    story = SimulatedRollout([snapshot], a_policy(a_pool(limits=Limits(Amount(1)))), perform=perform)
    story.start()
    story.run(until=lambda: any(isinstance(action, Reboot) for _, action, _ in story.performed))
    name = next(name for name, step in story.steps().items() if step is Step.REBOOT)
    story.models["east"].stranger.uncordon(name)
    story.models["east"].stranger.cordon(next(each for each in story.steps() if each != name))
    story.models["east"].stranger.delete_pod(story.models["east"].snapshot(story.now).pods[0].ref)
    story.run(seconds=0.5)
    assert any(pod.node == name for pod in story.models["east"].snapshot(story.now).pods)
    held_back = False
    under: list[str] = []

    def look() -> bool:
        last = [action for _, action, result in story.performed if result is Result.DONE][-1]
        if isinstance(last, Reboot) and not under:
            under.extend(
                pod.name for pod in story.models["east"].snapshot(story.now).pods if pod.node == name
            )
        return story.run_of(name).step is Step.VERIFY

    story.models["east"].stranger.uncordon(next(each for each in story.steps() if each != name))
    story.run(until=look)
    assert story.run_of(name).step is Step.VERIFY and not under


def test_other_nodes_wait_for_the_canary() -> None:
    story = small_fleet(count=4)
    story.start(canaries=["n-2"])
    story.run(until=lambda: story.steps()["n-2"] is Step.SOAK)
    assert {step for name, step in story.steps().items() if name != "n-2"} == {Step.PENDING}
    assert Reason.CANARY in reasons(story, "n-0")
    story.run()
    assert set(story.steps().values()) == {Step.DONE}


def test_node_waiting_for_its_turn_to_stage_shows_how_many_are_ahead() -> None:
    nodes = [a_node(f"n-{index}") for index in range(4)]
    story = SimulatedRollout([a_snapshot(nodes)], a_policy(a_pool(stage=StageRule(concurrency=2))))
    story.start()
    story.run(until=lambda: Step.STAGE in story.steps().values())
    held = story.engine.why(NodeRef("east", "n-3"), story.now)
    assert [(each.reason, each.params["ahead"]) for each in held] == [(Reason.TURN, 3)]


def test_deleted_node_does_not_stop_the_others() -> None:
    story = small_fleet(count=4)
    story.start()
    story.run(until=lambda: Step.DRAIN in story.steps().values())
    waiting = next(name for name, step in story.steps().items() if not story.run_of(name).touched)
    story.models["east"].stranger.delete_node(waiting)
    story.run()
    assert story.steps().pop(waiting) is Step.CANCELLED
    assert "gone" in story.run_of(waiting).why


def test_another_machine_under_the_same_name_is_left_alone() -> None:
    story = small_fleet(count=2, replicas=0)
    story.start(canaries=["n-0"])
    other = a_node("n-1", uid="another")
    story.models["east"].stranger.add_node(other, a_machine(other))
    story.run()
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.CANCELLED}
    touched = [
        action for _, action, result in story.performed if action.node.name == "n-1" and result is Result.DONE
    ]
    assert all(action.uid != "another" for action in touched)


def test_killed_at_every_decision_the_rollout_ends_the_same() -> None:
    story = small_fleet(count=4)
    story.start()
    for _ in range(3000):
        following = story.turn()
        story.kill()
        if story.rollout.ended_at is not None if "r-1" in story.engine.rollouts else True:
            break
        assert following is not None
        story.at = max(following, story.at + 0.2)
    ended = rollouts_of(story.entries)["r-1"]
    assert {run.step for run in ended.runs.values()} == {Step.DONE}
    reboots = [action.token for _, action, result in story.performed if isinstance(action, Reboot)]
    assert len(set(reboots)) == 4
    for node in story.models["east"].snapshot(story.now).nodes:
        assert node.available and not node.annotations and not node.pending_taint


def test_journal_replays_to_the_same_state() -> None:
    story = small_fleet()
    story.start(canaries=["n-1"])
    story.run()
    replayed = rollouts_of(story.entries)["r-1"]
    assert replayed.runs == story.rollout.runs
    assert replayed.state == story.rollout.state and replayed.ended_at == story.rollout.ended_at
    assert replayed.counts == story.rollout.counts and not replayed.intents


def test_actions_with_a_lost_answer_are_checked_again_and_not_repeated() -> None:
    lost: set[str] = set()

    def first_answer_is_lost(action: object, at: float) -> Outcome:
        answer = story.really(action, at)  # type: ignore[arg-type]
        kind = type(action).__name__ + answer.action.node.name
        if kind in lost:
            return answer
        lost.add(kind)
        return Outcome(answer.action, Result.UNKNOWN, "timed out")

    nodes = [a_node(f"n-{index}") for index in range(3)]
    snapshot = a_snapshot(nodes, a_deployment("shop", 6, nodes), [a_budget("shop", 6, 2)])
    story = SimulatedRollout([snapshot], a_policy(), perform=first_answer_is_lost)
    story.start()
    story.run()
    assert set(story.steps().values()) == {Step.DONE}
    boots = {action.token for _, action, _ in story.performed if isinstance(action, Reboot)}
    assert len(boots) == 3


def test_unreachable_cluster_starts_nothing_and_continues_when_it_is_back() -> None:
    story = small_fleet(count=4)
    story.start()
    story.run(until=lambda: Step.DRAIN in story.steps().values())
    story.engine.observe(ClusterLost("east", "connection refused"), story.now)
    before = len(story.performed)
    story.run(seconds=1800)
    assert len(story.performed) == before
    assert Reason.UNREACHABLE in reasons(story, next(iter(story.steps())))
    story.engine.observe(ClusterSynced("east"), story.now)
    story.run()
    assert set(story.steps().values()) == {Step.DONE}


def test_aborted_rollout_ends_though_an_untouched_cluster_is_unreachable() -> None:
    near = a_snapshot([a_node("n-0"), a_node("n-1")])
    far = a_snapshot([a_node("f-0")], cluster="far")
    story = SimulatedRollout([near, far], a_policy())
    story.engine.observe(ClusterLost("far", "connection refused"), story.now)
    story.start()
    story.run(seconds=3600)
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.DONE, "f-0": Step.PENDING}
    story.send("abort")
    story.run()
    assert story.rollout.ended_at is not None


def test_server_error_does_not_end_a_cordon_and_a_lasting_refusal_does() -> None:
    def tried(errors: int) -> SimulatedRollout:
        left = errors

        def refuse(action: AnyAction, at: float) -> Outcome:
            nonlocal left
            if isinstance(action, Cordon) and left:
                left -= 1
                return Outcome(action, Result.FAILED, "503 service unavailable")
            return story.really(action, at)

        story = SimulatedRollout([a_snapshot([a_node("n-0")])], a_policy(), perform=refuse)
        story.start()
        story.run(seconds=3600)
        return story

    assert tried(2).steps() == {"n-0": Step.DONE}
    refused = tried(99)
    assert refused.steps() == {"n-0": Step.FAILED}
    assert "503" in refused.run_of("n-0").why
