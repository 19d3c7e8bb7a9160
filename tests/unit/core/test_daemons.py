"""Which DaemonSets must have a Ready pod on a node that is back: those that want it as it is now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.daemonset import DaemonSetFit, DaemonTemplate
from fleet.core.objects.node import Node, NodeRef, Taint, Toleration
from fleet.core.objects.placement import NodeTerm
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.selector import Requirement
from fleet.core.objects.workload import Workload
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.goal import Goal
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step
from fleet.core.steps import daemonsets
from fleet.lab.simulation.builders import NEW, OLD, START, a_node, a_policy, a_pool, a_snapshot
from fleet.model.behaviour import ClusterBehaviour, SpreadLength
from tests.simulated_rollout import SimulatedRollout

KERNEL = "feature.node.kubernetes.io/kernel-version.full"
GPU = "nvidia.com/gpu.present"


def a_daemonset(name: str, selector: dict[str, str] | None = None) -> Workload:
    return Workload(
        "DaemonSet", "gpu", name, f"ds-{name}", daemon=DaemonTemplate(node_selector=selector or {})
    )


def for_kernel(name: str, kernel: str) -> Workload:
    return a_daemonset(name, {KERNEL: kernel, GPU: "true"})


OLD_DRIVER, NEW_DRIVER = for_kernel("driver-old", OLD.kernel), for_kernel("driver-new", NEW.kernel)


def a_pod(daemonset: Workload, node: str = "n-0", ready: bool = True, **changes: object) -> Pod:
    pod = Pod(
        daemonset.namespace,
        f"{daemonset.name}-{node}",
        f"uid-{daemonset.name}-{node}",
        node,
        ready=ready,
        owner=Owner("DaemonSet", daemonset.name, daemonset.uid),
    )
    return replace(pod, **changes)


def gpu_node(name: str, kernel: str = OLD.kernel) -> Node:
    node = a_node(name)
    return replace(node, labels=node.labels | {KERNEL: kernel, GPU: "true"})


BACK = gpu_node("n-0", NEW.kernel)
RUN = Run(
    Goal(NodeRef("east", "n-0"), BACK.uid, "workers"),
    NEW,
    since=START,
    daemons=("gpu/driver-old",),
    labels={KERNEL: OLD.kernel, GPU: "true"},
)


def view(*things: Workload | Pod) -> ClusterView:
    found = ClusterView("east")
    for each in things:
        found.upsert(each)
    return found


def away(*things: Workload | Pod, run: Run = RUN, node: Node = BACK) -> tuple[str, ...]:
    return daemonsets.not_ready(run, node, view(*things))


def test_driver_for_the_old_kernel_is_not_waited_for_and_that_for_the_new_one_is() -> None:
    assert away(OLD_DRIVER, NEW_DRIVER) == ("gpu/driver-new (no pod)",)
    assert away(OLD_DRIVER, NEW_DRIVER, a_pod(NEW_DRIVER, ready=False)) == ("gpu/driver-new (not Ready)",)
    assert away(OLD_DRIVER, NEW_DRIVER, a_pod(NEW_DRIVER)) == ()
    assert away(OLD_DRIVER, NEW_DRIVER, a_pod(NEW_DRIVER), a_pod(OLD_DRIVER, ready=False)) == ()


def test_old_driver_is_waited_for_until_the_labels_change() -> None:
    late = gpu_node("n-0", OLD.kernel)
    starting = a_pod(OLD_DRIVER, ready=False)
    assert away(OLD_DRIVER, starting, node=late) == ("gpu/driver-old (not Ready)",)


def test_daemonset_changed_meanwhile_and_broken_everywhere_is_not_waited_for() -> None:
    broken = a_daemonset("new-agent", {GPU: "true"})
    everywhere = a_daemonset("other-agent")
    assert away(OLD_DRIVER, broken, everywhere, a_pod(broken, ready=False)) == ()


def test_daemonset_with_a_selector_on_an_unused_label_proves_nothing_about_the_upgrade() -> None:
    labelled = replace(BACK, labels=BACK.labels | {"team": "a"})
    assert away(a_daemonset("mine", {"team": "a"}), node=labelled) == ()


def test_daemonset_for_a_label_that_the_node_did_not_have_is_new() -> None:
    run = replace(RUN, daemons=(), labels={"extension": None})
    labelled = replace(BACK, labels=BACK.labels | {"extension": "v2"})
    assert away(a_daemonset("ext", {"extension": "v2"}), run=run, node=labelled) == ("gpu/ext (no pod)",)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"ready": False}, "not Ready"),
        ({"ready": False, "phase": "Pending"}, "Pending"),
        ({"deleting": True}, "being deleted"),
    ],
)
def test_daemonset_pod_that_was_ready_before_is_reported_with_its_state(
    changes: dict[str, object], state: str
) -> None:
    cni = a_daemonset("cni")
    run = replace(RUN, daemons=("gpu/cni",))
    assert away(cni, a_pod(cni, **changes), run=run) == (f"gpu/cni ({state})",)  # type: ignore[arg-type]


def test_without_readable_daemonsets_a_pod_on_the_node_counts_and_its_absence_does_not() -> None:
    lone = a_pod(a_daemonset("cni"), ready=False)
    run = replace(RUN, daemons=("gpu/cni",))
    assert away(lone, run=run) == ("gpu/cni (not Ready)",)
    assert away(replace(lone, deleting=True), run=run) == () == away(run=run)


def test_daemonset_without_a_known_template_wants_its_node_as_before() -> None:
    unknown = replace(a_daemonset("cni"), daemon=None)
    assert away(unknown, run=replace(RUN, daemons=("gpu/cni",))) == ("gpu/cni (no pod)",)


def test_run_of_an_older_journal_compares_ready_daemonsets_alone() -> None:
    assert away(OLD_DRIVER, NEW_DRIVER, run=replace(RUN, labels={})) == ()


def test_successor_is_waited_for_one_minute() -> None:
    alone = view(OLD_DRIVER)
    assert daemonsets.without_successor(RUN, BACK, alone, START) == ("gpu/driver-old",)
    assert daemonsets.without_successor(RUN, BACK, alone, START + timedelta(seconds=60)) == ()
    assert daemonsets.without_successor(RUN, BACK, view(OLD_DRIVER, NEW_DRIVER), START) == ()
    assert daemonsets.without_successor(RUN, gpu_node("n-0"), alone, START) == ()


NO_SCHEDULE, NO_EXECUTE = Taint("a", "NoSchedule"), Taint("a", "NoExecute")


@pytest.mark.parametrize(
    ("template", "taints", "place"),
    [
        (DaemonTemplate(), (), DaemonSetFit.RUN),
        (DaemonTemplate(node_name="n-0"), (), DaemonSetFit.RUN),
        (DaemonTemplate(node_name="n-1"), (), DaemonSetFit.NONE),
        (DaemonTemplate(node_selector={GPU: "true"}), (), DaemonSetFit.RUN),
        (DaemonTemplate(node_selector={GPU: "false"}), (), DaemonSetFit.NONE),
        (DaemonTemplate(affinity=(NodeTerm((Requirement(GPU, "Exists"),)),)), (), DaemonSetFit.RUN),
        (DaemonTemplate(affinity=(NodeTerm((Requirement(GPU, "DoesNotExist"),)),)), (), DaemonSetFit.NONE),
        (
            DaemonTemplate(affinity=(NodeTerm((), (Requirement("metadata.name", "In", ("n-0",)),)),)),
            (),
            DaemonSetFit.RUN,
        ),
        (DaemonTemplate(), (NO_SCHEDULE,), DaemonSetFit.KEEP),
        (DaemonTemplate(), (NO_SCHEDULE, NO_EXECUTE), DaemonSetFit.NONE),
        (DaemonTemplate(), (Taint("a", "PreferNoSchedule"),), DaemonSetFit.RUN),
        (
            DaemonTemplate(tolerations=(Toleration("a", "Exists"),)),
            (NO_SCHEDULE, NO_EXECUTE),
            DaemonSetFit.RUN,
        ),
        (DaemonTemplate(), (Taint("node.kubernetes.io/unschedulable", "NoSchedule"),), DaemonSetFit.RUN),
        (DaemonTemplate(), (Taint("node.kubernetes.io/not-ready", "NoExecute"),), DaemonSetFit.RUN),
        (
            DaemonTemplate(),
            (Taint("node.kubernetes.io/network-unavailable", "NoSchedule"),),
            DaemonSetFit.KEEP,
        ),
        (
            DaemonTemplate(host_network=True),
            (Taint("node.kubernetes.io/network-unavailable", "NoSchedule"),),
            DaemonSetFit.RUN,
        ),
    ],
)
def test_daemonset_wants_a_node_by_the_rules_of_its_controller(
    template: DaemonTemplate, taints: tuple[Taint, ...], place: DaemonSetFit
) -> None:
    assert template.place(replace(gpu_node("n-0"), taints=taints)) is place


def test_pod_kept_from_starting_by_a_taint_is_waited_for_only_where_it_exists() -> None:
    cni = a_daemonset("cni")
    run, tainted = replace(RUN, daemons=("gpu/cni",)), replace(BACK, taints=(NO_SCHEDULE,))
    assert away(cni, run=run, node=tainted) == ()
    assert away(cni, a_pod(cni, ready=False), run=run, node=tainted) == ("gpu/cni (not Ready)",)


def drivers(
    daemonsets: Iterable[Workload] = (OLD_DRIVER, NEW_DRIVER), slow: dict[str, float] | None = None
) -> SimulatedRollout:
    """Three GPU nodes with the driver of their kernel, the first of them the canary."""
    nodes = [gpu_node(f"n-{index}") for index in range(3)]
    pods = [a_pod(OLD_DRIVER, node.name) for node in nodes]
    snapshot = a_snapshot(nodes, (list(daemonsets), pods))
    pool = a_pool(failure_limit=1)
    story = SimulatedRollout(
        [snapshot], a_policy(pool), ClusterBehaviour(pod_start=SpreadLength(8, 8, slow or {})), seed=1
    )
    story.start(canaries=["n-0"])
    return story


def relabel(story: SimulatedRollout, after: float, deploy: Workload | None = None) -> None:
    """Runs the story to its end. Each node that has booted gets its new label so many seconds later; then the operator
    brings the DaemonSet."""
    model, booted, made = story.models["east"], dict[str, float](), list[Workload]()

    def step() -> bool:
        for node in model.snapshot(story.now).nodes:
            if node.kernel != NEW.kernel or node.labels[KERNEL] == NEW.kernel:
                continue
            if story.at - booted.setdefault(node.name, story.at) >= after:
                model.stranger.label(node.name, KERNEL, NEW.kernel)
                if deploy is not None and not made:
                    made.append(deploy)
                    model.stranger.put_daemonset(deploy)
        return story.rollout.state == "halted"

    story.run(until=step)


@pytest.mark.parametrize("after", [0, 20])
def test_driver_for_each_kernel_is_proven_by_the_new_one(after: float) -> None:
    story = drivers()
    relabel(story, after)
    assert set(story.steps().values()) == {Step.DONE}
    ready = {pod.name.rsplit("-", 1)[0] for pod in story.models["east"].snapshot(story.now).pods if pod.ready}
    assert ready == {"driver-new"}


def test_driver_created_for_the_first_node_with_the_new_kernel_is_waited_for() -> None:
    story = drivers([OLD_DRIVER])
    relabel(story, 10, NEW_DRIVER)
    assert set(story.steps().values()) == {Step.DONE}


def test_driver_that_does_not_become_ready_on_the_new_kernel_fails_the_canary() -> None:
    story = drivers(slow={"gpu/driver-new": 1e6})
    relabel(story, 10)
    failed = [run for run in story.rollout.runs.values() if run.step is Step.FAILED]
    assert len(failed) == 1 and "gpu/driver-new (Pending)" in failed[0].why
    assert story.rollout.state == "halted"


def test_driver_for_labels_that_change_during_the_soak_is_waited_for() -> None:
    story = drivers(slow={"gpu/driver-new": 1e6})
    stranger = story.models["east"].stranger
    story.run(until=lambda: story.run_of("n-0").step is Step.SOAK)
    stranger.label("n-0", KERNEL, NEW.kernel)
    story.run(seconds=30)
    assert [held.reason for held in story.engine.why(NodeRef("east", "n-0"), story.now)] == [
        Reason.NOT_VERIFIED
    ]
    story.run(until=lambda: story.run_of("n-0").ended)
    assert story.run_of("n-0").step is Step.FAILED and "gpu/driver-new" in story.run_of("n-0").why


def test_controller_restarted_during_the_proof_knows_the_earlier_labels() -> None:
    story = drivers(slow={"gpu/driver-new": 1e6})
    story.run(until=lambda: story.run_of("n-0").step is Step.VERIFY)
    story.kill()
    relabel(story, 5)
    assert "gpu/driver-new" in story.run_of("n-0").why
