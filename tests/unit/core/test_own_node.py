"""The node that the controller runs on: it comes last, and another controller leads before it is cordoned."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleet.core.objects.node import Node, NodeRef, Toleration
from fleet.core.objects.placement import HOSTNAME_LABEL
from fleet.core.objects.pod import Pod
from fleet.core.policy.policy import Amount, Limits, Policy
from fleet.core.policy.treatment import CAPI_LABEL
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Cordon, Evict, Reboot
from fleet.core.rollout.steps import Step
from fleet.core.state.own_pod import DatabasePlace, OwnPod
from fleet.drivers.leadership import handing_over
from fleet.lab.simulation.builders import START, a_deployment, a_node, a_policy, a_pool, a_snapshot
from tests.simulated_rollout import SimulatedRollout

POLICY = a_policy(a_pool(limits=Limits(max_unavailable=Amount(1))))
NAME = "fleet-controller"
SKIP = {CAPI_LABEL: "skip"}
CORDONS = (Toleration("node.kubernetes.io/unschedulable", "Exists", effect="NoSchedule"),)


def nodes(count: int) -> list[Node]:
    return [a_node(f"n-{number}", machine_id=f"m-{number}") for number in range(1, count + 1)]


def a_story(
    count: int,
    replicas: int,
    database: DatabasePlace = "server",
    hosts: list[Node] | None = None,
    standby: bool = True,
    selector: dict[str, str] | None = None,
    together: bool = False,
    labels: dict[str, str] | None = None,
    tolerations: tuple[Toleration, ...] = (),
    policy: Policy = POLICY,
) -> SimulatedRollout:
    """A rollout on that many nodes, of a controller in the pod on n-1 of a Deployment with so many replicas. `standby`:
    the other replicas are Ready. `together`: all are on n-1."""
    hosts = hosts or nodes(count)
    workloads, pods = a_deployment(NAME, replicas, hosts[:1] if together else hosts, "fleet-system")
    pods = [
        replace(
            each,
            ready=standby or each is pods[0],
            node_selector=selector or {},
            labels={**each.labels, **(labels or {})},
            tolerations=tolerations,
        )
        for each in pods
    ]
    story = SimulatedRollout([a_snapshot(hosts, (workloads, pods))], policy)
    lead(story, pods[0], database)
    story.start()
    return story


def lead(story: SimulatedRollout, pod: Pod, database: DatabasePlace = "server") -> None:
    """Lets a controller in that pod lead from now on."""
    story.own = OwnPod("east", pod.namespace, pod.name, database)
    story.kill()


def why(story: SimulatedRollout, node: str = "n-1") -> list[Held]:
    return list(story.engine.why(NodeRef("east", node), story.now))


def waits_alone(story: SimulatedRollout, reason: Reason) -> bool:
    """Returns whether the others are done, and this is all that holds n-1 from its slot."""
    return (
        others_done(story) and story.run_of("n-1").step is Step.STAGED and reasons(story, "n-1") == [reason]
    )


def reasons(story: SimulatedRollout, node: str = "n-1") -> list[Reason]:
    return [held.reason for held in why(story, node)]


def controllers(story: SimulatedRollout) -> list[Pod]:
    pods = story.models["east"].snapshot(START).pods
    return [pod for pod in pods if pod.name.startswith(NAME) and not pod.deleting]


def node_of(story: SimulatedRollout) -> str:
    assert story.own is not None
    return next(pod.node for pod in controllers(story) if pod.name == story.own.name)


def moved(pod: Pod) -> bool:
    return pod.node != "n-1"


def others_done(story: SimulatedRollout) -> bool:
    return all(run.step is Step.DONE for run in story.rollout.runs.values() if run.node.name != "n-1")


def test_own_node_comes_last_and_waits_for_a_standby_to_lead() -> None:
    story = a_story(3, 2)
    story.run(until=lambda: story.handing is not None)
    assert others_done(story)
    assert story.run_of("n-1").step is Step.STAGED
    (held,) = why(story)
    assert held.reason is Reason.HAND_OVER and not held.needs_action
    assert held.params["node"] in ("n-2", "n-3")


def test_reason_to_hand_over_reaches_the_driver() -> None:
    story = a_story(1, 1)
    held = Held(Reason.HAND_OVER, "n-1")
    assert handing_over([(Held(Reason.PAUSED),), (), (held, Held(Reason.TURN))]) == held
    assert handing_over([(Held(Reason.PAUSED), held)]) is None
    assert story.rollout.active


def test_rollout_ends_by_handing_over_and_never_cordons_the_leaders_node() -> None:
    story = a_story(4, 2)
    led: list[str] = []
    while story.rollout.active and len(led) < 9:
        led.append(node_of(story))
        begun = len(story.performed)
        story.run(until=lambda: story.handing is not None)
        cordoned = {
            action.node.name for _, action, _ in story.performed[begun:] if isinstance(action, Cordon)
        }
        assert node_of(story) not in cordoned
        if story.rollout.active:
            assert story.handing is not None
            named = story.handing.params["pod"]
            lead(story, next(pod for pod in controllers(story) if str(pod.ref) == named))
    assert {run.step for run in story.rollout.runs.values()} == {Step.DONE}
    assert len(led) == 2, "the lead is handed over once, at the end"


def test_without_a_standby_that_is_ready_the_own_node_waits_for_one() -> None:
    story = a_story(3, 2, standby=False)
    story.run(until=lambda: story.run_of("n-1").step is Step.STAGED)
    held = next(held for held in why(story) if held.reason is Reason.NO_STANDBY)
    assert (held.params["replicas"], held.needs_action, story.handing) == (2, True, None)


def test_standby_on_a_node_that_takes_no_pods_does_not_count() -> None:
    hosts = [replace(node, unschedulable=node.name == "n-2") for node in nodes(2)]
    story = a_story(2, 2, hosts=hosts)
    story.run(until=lambda: story.run_of("n-1").step is Step.STAGED)
    assert Reason.NO_STANDBY in reasons(story)
    assert story.handing is None


def test_replicas_that_are_all_on_the_own_node_are_evicted_to_another_one() -> None:
    hosts = nodes(3)
    story = a_story(3, 2, hosts=hosts, together=True)
    story.run(until=lambda: story.run_of("n-1").step is Step.DRAIN)
    assert others_done(story) and story.handing is None


@pytest.mark.parametrize("database", ["server", "volume"])
def test_single_replica_is_evicted_and_goes_on_elsewhere(database: DatabasePlace) -> None:
    story = a_story(3, 1, database)
    story.run(until=lambda: story.run_of("n-1").step is Step.DRAIN and all(map(moved, controllers(story))))
    assert others_done(story) and story.rollout.active
    lead(story, controllers(story)[0], database)
    story.run()
    assert {run.step for run in story.rollout.runs.values()} == {Step.DONE}


def test_database_that_is_lost_with_the_pod_holds_the_own_node() -> None:
    story = a_story(2, 1, "pod")
    story.run(until=lambda: waits_alone(story, Reason.CONTROLLER_DATA))
    assert waits_alone(story, Reason.CONTROLLER_DATA)


def test_replicas_with_a_file_each_do_not_take_over_from_each_other() -> None:
    story = a_story(3, 2, "pod")
    story.run(until=lambda: waits_alone(story, Reason.CONTROLLER_DATA))
    assert waits_alone(story, Reason.CONTROLLER_DATA)
    assert Reason.HAND_OVER not in reasons(story)


def test_pod_that_no_other_node_takes_holds_the_own_node() -> None:
    story = a_story(2, 1, "volume", hosts=tied(2), selector={HOSTNAME_LABEL: "n-1"})
    story.run(7200)
    assert others_done(story) and story.run_of("n-1").step is Step.STAGED
    assert Reason.CONTROLLER_STAYS in reasons(story)


def tied(count: int) -> list[Node]:
    return [replace(node, labels={**node.labels, HOSTNAME_LABEL: node.name}) for node in nodes(count)]


@pytest.mark.parametrize("selector", [{}, {HOSTNAME_LABEL: "n-1"}])
def test_pod_that_stays_goes_down_with_its_node_which_the_next_controller_proves(
    selector: dict[str, str],
) -> None:
    story = a_story(3, 1, "volume", hosts=tied(3), selector=selector, labels=SKIP, tolerations=CORDONS)
    pod = controllers(story)[0]
    story.run(until=lambda: any(isinstance(done, Reboot) and on_own(done) for _, done, _ in story.performed))
    assert others_done(story) and story.run_of("n-1").step is Step.REBOOT
    (reboot,) = (done for _, done, _ in story.performed if isinstance(done, Reboot) and on_own(done))
    assert reboot.staying == (pod.uid,)
    # Nobody decides anything before the node is back, and the pod with it.
    model = story.models["east"]
    while (due := model.next_at()) is not None:
        story.at = due
        model.advance(story.at)
    lead(story, pod, "volume")
    assert story.run_of("n-1").step is Step.REBOOT
    story.run()
    assert {run.step for run in story.rollout.runs.values()} == {Step.DONE}
    assert not any(isinstance(done, Evict) and done.pod_uid == pod.uid for _, done, _ in story.performed)
    rebooted = [done.node.name for _, done, _ in story.performed if isinstance(done, Reboot)]
    assert sorted(rebooted) == ["n-1", "n-2", "n-3"]


def on_own(action: Reboot) -> bool:
    return action.node.name == "n-1"


@pytest.mark.parametrize(("labels", "tolerations"), [(SKIP, ()), ({}, CORDONS)])
def test_pinned_pod_that_might_not_come_back_to_a_cordoned_node_holds_the_own_node(
    labels: dict[str, str], tolerations: tuple[Toleration, ...]
) -> None:
    story = a_story(
        2,
        1,
        "volume",
        hosts=tied(2),
        selector={HOSTNAME_LABEL: "n-1"},
        labels=labels,
        tolerations=tolerations,
    )
    story.run(7200)
    assert others_done(story) and story.run_of("n-1").step is Step.STAGED
    assert Reason.CONTROLLER_STAYS in reasons(story)


def test_pod_that_stays_goes_down_once_no_other_node_is_in_work() -> None:
    policy = a_policy(a_pool(limits=Limits(max_unavailable=Amount(3))))
    story = a_story(3, 1, "volume", labels=SKIP, tolerations=CORDONS, policy=policy)
    story.run(until=lambda: reasons(story) == [Reason.OTHERS_FIRST])
    (held,) = why(story)
    assert (held.params["count"], held.needs_action) == (2, False)
    story.run(until=lambda: story.run_of("n-1").step is Step.CORDON)
    assert others_done(story)
    story.run()
    assert {run.step for run in story.rollout.runs.values()} == {Step.DONE}


def test_pod_that_stays_with_a_database_that_a_new_pod_would_not_have_holds_the_own_node() -> None:
    story = a_story(2, 1, "pod", labels=SKIP, tolerations=CORDONS)
    story.run(until=lambda: waits_alone(story, Reason.CONTROLLER_DATA))
    assert waits_alone(story, Reason.CONTROLLER_DATA)


def test_pod_of_the_same_name_in_another_cluster_is_not_the_controller() -> None:
    story = a_story(2, 2)
    story.own = OwnPod("west", "fleet-system", f"{NAME}-1-0")
    story.kill()
    story.run()
    assert {run.step for run in story.rollout.runs.values()} == {Step.DONE}
