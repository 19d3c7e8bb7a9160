"""A node reboots only once the volumes of the pods that have left it are detached, or the drain's time is over."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleet.core.cluster.view import ClusterView
from fleet.core.guards.pods import volumes
from fleet.core.objects.attachment import Attachment
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Owner, Pod, PodRef
from fleet.core.objects.volumes import PersistentVolume
from fleet.core.objects.workload import Workload
from fleet.core.policy.policy import DrainRule
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import AnyAction, Outcome, Result
from fleet.core.rollout.event import Deleted, Upserted
from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import a_node, a_policy, a_pool, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from tests.simulated_rollout import SimulatedRollout

WAIT = DrainRule()
DRIVER = "ebs.csi.aws.com"


def attached(claim: str, node: str = "n-0", **changes: object) -> Attachment:
    found = Attachment(f"csi-{claim}", f"uid-{claim}", node, f"pv-{claim}", DRIVER, attached=True)
    return replace(found, **changes)


def volume(claim: str) -> PersistentVolume:
    return PersistentVolume(f"pv-{claim}", f"uid-pv-{claim}", PodRef("web", claim))


def staying(*claims: str, **changes: object) -> Pod:
    pod = Pod("web", "cache-1", "uid-cache", "n-0", owner=Owner("DaemonSet", "cache"), claims=claims)
    return replace(pod, **changes)


def held(*things: Attachment | PersistentVolume | Pod, rule: DrainRule = WAIT) -> str:
    view = ClusterView("east")
    for each in things:
        view.upsert(each)
    found = volumes.held("n-0", view, rule)
    if found is None:
        return ""
    assert found.reason is Reason.VOLUMES_ATTACHED
    return found.subject


def test_volume_attached_to_the_node_holds_it_and_others_do_not() -> None:
    assert held(attached("a")) == "pv-a"
    assert held(attached("a", node="n-1")) == ""
    assert held(attached("a", attached=False)) == ""
    assert held(attached("a", attached=False, deleting=True)) == "pv-a"
    assert held(attached("a"), rule=DrainRule(volumes="ignore")) == ""


def test_volume_of_a_pod_that_stays_holds_nothing() -> None:
    assert held(staying("a"), volume("a"), attached("a")) == ""
    assert held(staying("a"), volume("a"), volume("b"), attached("a"), attached("b")) == "pv-b"
    assert held(staying("a", phase="Succeeded"), volume("a"), attached("a")) == "pv-a"
    assert held(staying("a", node="n-1"), volume("a"), attached("a")) == "pv-a"


def test_without_attachments_as_many_are_ignored_as_remaining_pods_have_claims() -> None:
    assert held(staying("a"), attached("x")) == ""
    assert held(staying("a"), attached("x"), attached("y")) == "pv-y"
    assert held(staying("a"), attached("x"), volume("a"), attached("a")) == "pv-x"
    assert held(staying("a", "b"), attached("x"), volume("a"), attached("a")) == ""


def test_claim_of_the_same_name_in_another_namespace_is_another_one() -> None:
    elsewhere = replace(volume("a"), claim=PodRef("ops", "a"))
    assert held(staying("a"), elsewhere, attached("a")) == "pv-a"


def test_message_names_the_volume_its_driver_and_the_drivers_error() -> None:
    view = ClusterView("east")
    view.upsert(attached("a", error="rpc error: timeout", deleting=True))
    view.upsert(attached("b"))
    found = volumes.held("n-0", view, WAIT)
    assert found is not None and found.params["count"] == 2
    for reported in ("pv-a", DRIVER, "and 1 more", "rpc error: timeout"):
        assert reported in found.message
    assert "csi-a" in found.remedy and not found.needs_action


def databases(timeout: int = 600, rule: str = "wait") -> SimulatedRollout:
    """Three nodes, a database pod with a volume on each of the first two."""
    nodes = [a_node(f"n-{index}") for index in range(3)]
    owner = Owner("StatefulSet", "db", "sts-db")
    pods = [
        Pod("web", f"db-{index}", f"uid-db-{index}", f"n-{index}", owner=owner, claims=(f"data-{index}",))
        for index in range(2)
    ]
    claims = [f"data-{index}" for index in range(2)]
    snapshot = replace(
        a_snapshot(nodes, ([Workload("StatefulSet", "web", "db", owner.uid, 2, 2)], pods)),
        volumes=tuple(volume(claim) for claim in claims),
        attachments=tuple(attached(claim, node=f"n-{index}") for index, claim in enumerate(claims)),
    )
    pool = a_pool(
        drain=DrainRule(timeout_seconds=timeout, volumes=rule),  # type: ignore[arg-type]
        failure_limit=1,
    )
    story = SimulatedRollout([snapshot], a_policy(pool), ClusterBehaviour(detach=20.0), seed=1)
    story.start(canaries=["n-0"])
    return story


def reboots(story: SimulatedRollout) -> list[float]:
    return [at for at, action, _ in story.performed if action.kind == "reboot" and action.node.name == "n-0"]


def test_reboot_waits_until_the_volume_of_the_evicted_pod_is_detached() -> None:
    story = databases()
    story.run(
        until=lambda: bool(story.engine.why(NodeRef("east", "n-0"), story.now)) and _gone(story, "db-0")
    )
    (why,) = story.engine.why(NodeRef("east", "n-0"), story.now)
    assert (why.reason, why.subject, why.params["attacher"]) == (Reason.VOLUMES_ATTACHED, "pv-data-0", DRIVER)
    story.run(until=lambda: bool(reboots(story)))
    assert "n-0" not in {each.node for each in story.models["east"].snapshot(story.now).attachments}
    story.run()
    assert set(story.steps().values()) == {Step.DONE}


def _gone(story: SimulatedRollout, name: str) -> bool:
    return not any(
        pod.name == name and pod.node == "n-0" for pod in story.models["east"].snapshot(story.now).pods
    )


def test_volume_that_stays_attached_ends_the_run_after_the_drain_timeout() -> None:
    story = databases(timeout=300)
    story.models["east"].stranger.keep_attached("n-0", "rpc error: DeadlineExceeded")
    story.run(until=lambda: story.run_of("n-0").ended)
    run = story.run_of("n-0")
    assert run.step is Step.FAILED and not reboots(story)
    for reported in ("300 s", "pv-data-0", DRIVER, "rpc error: DeadlineExceeded"):
        assert reported in run.why
    node = next(each for each in story.models["east"].snapshot(story.now).nodes if each.name == "n-0")
    assert not node.unschedulable


def test_policy_may_ignore_attached_volumes() -> None:
    story = databases(rule="ignore")
    story.models["east"].stranger.keep_attached("n-0", "rpc error: DeadlineExceeded")
    story.run(until=lambda: story.run_of("n-0").ended)
    assert story.run_of("n-0").step is Step.DONE


def test_volume_seen_only_at_the_reboot_sends_the_run_back_to_its_drain() -> None:
    story = SimulatedRollout(
        [a_snapshot([a_node("n-0")])], a_policy(), seed=1, perform=lambda action, at: perform(action, at)
    )
    late, refused = attached("late"), list[float]()

    def perform(action: AnyAction, at: float) -> Outcome:
        if action.kind != "reboot" or refused:
            return story.really(action, at)
        refused.append(at)
        story.engine.observe(Upserted("east", late), story.now)
        return Outcome(action, Result.STALE, "a conflict")

    story.start()
    story.run(until=lambda: bool(refused))
    story.run(seconds=60)
    assert story.run_of("n-0").step is Step.DRAIN and len(reboots(story)) == 1
    assert [each.subject for each in story.engine.why(NodeRef("east", "n-0"), story.now)] == ["pv-late"]
    story.engine.observe(Deleted("east", late), story.now)
    story.run()
    assert story.run_of("n-0").step is Step.DONE and len(reboots(story)) == 2


@pytest.mark.parametrize("kill", [False, True])
def test_pod_that_stays_with_its_volume_does_not_hold_the_reboot(kill: bool) -> None:
    nodes = [a_node("n-0")]
    pod = staying("cache")
    snapshot = replace(
        a_snapshot(nodes, ([], [pod])), volumes=(volume("cache"),), attachments=(attached("cache"),)
    )
    story = SimulatedRollout([snapshot], a_policy(), seed=1)
    story.start()
    if kill:
        story.run(until=lambda: story.run_of("n-0").step is Step.DRAIN)
        story.kill()
    story.run()
    assert story.run_of("n-0").step is Step.DONE
    assert [each.name for each in story.models["east"].snapshot(story.now).attachments] == ["csi-cache"]
