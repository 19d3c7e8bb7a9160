"""A run is done when its node has come back with the release and as sound as it went; each part of that is asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.machine import UNKNOWN_STATE, Machine, Units, Work
from fleet.core.objects.node import Node, NodeRef
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.workload import Workload
from fleet.core.releases.release import Release
from fleet.core.rollout.goal import Goal
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step
from fleet.core.steps import daemonsets, verification
from fleet.lab.simulation.builders import NEW, OLD, a_machine, a_node, a_policy, a_pool, a_snapshot
from fleet.model.agents import UNIT
from fleet.model.behaviour import ClusterBehaviour, Failure
from tests.golden import GoldenFiles
from tests.simulated_rollout import SimulatedRollout

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAEMON = Workload("DaemonSet", "kube-system", "cni", "ds-cni", 1, 1)
POD = Pod(
    "kube-system",
    "cni-1",
    "pod-cni-1",
    node="n-0",
    ready=True,
    phase="Running",
    owner=Owner("DaemonSet", "cni", DAEMON.uid),
)
BACK = a_node("n-0", boot_id="boot-2", kernel=NEW.kernel)
MACHINE = replace(a_machine(BACK, NEW), units=Units("running"))
RUN = Run(
    Goal(NodeRef("east", "n-0"), "uid-n-0", "workers"), NEW, boot_id="boot-1", daemons=("kube-system/cni",)
)


def view(*things: Workload | Pod) -> ClusterView:
    found = ClusterView("east")
    for each in things or (DAEMON, POD):
        found.upsert(each)
    return found


def missing(node: Node = BACK, machine: Machine | None = MACHINE, cluster: ClusterView | None = None) -> str:
    """Returns what of the proof is missing, of which there must be something."""
    found = verification.missing_proof(RUN, node, machine, cluster or view(), NOW)
    assert found is not None
    return found


def test_recovered_node_lacks_nothing() -> None:
    assert verification.missing_proof(RUN, BACK, MACHINE, view(), NOW) is None
    assert verification.proof(RUN, BACK, MACHINE) == {
        "boot_id_before": "boot-1",
        "boot_id_after": "boot-2",
        "version": NEW.version,
        "digest": NEW.digest,
        "kernel": NEW.kernel,
        "ready": "True",
        "units": "running",
        "daemons": "1",
    }


def test_kubelet_must_be_ready(golden: GoldenFiles) -> None:
    for ready in (False, None):
        golden.check(missing(node=replace(BACK, ready=ready)))


def test_agent_must_have_reported_since_this_boot(golden: GoldenFiles) -> None:
    for machine in (None, replace(MACHINE, boot_id="boot-1")):
        golden.check(missing(machine=machine))


def test_digest_counts_and_not_the_version(golden: GoldenFiles) -> None:
    other = replace(MACHINE, booted=Release(NEW.version, "sha256:" + "e" * 64, NEW.kernel))
    golden.check(missing(machine=other))


def test_kernel_must_be_the_releases(golden: GoldenFiles) -> None:
    golden.check(missing(node=replace(BACK, kernel=OLD.kernel)))


def test_kernel_in_the_policy_may_lack_the_distributions_suffix() -> None:
    full = replace(BACK, kernel=f"{NEW.kernel}-301.fc43.x86_64")
    assert verification.missing_proof(RUN, full, MACHINE, view(), NOW) is None
    longer = replace(BACK, kernel=f"{NEW.kernel}0-301.fc43.x86_64")
    assert verification.missing_proof(RUN, longer, MACHINE, view(), NOW) is not None


def test_systemd_must_have_finished_its_start(golden: GoldenFiles) -> None:
    golden.check(missing(machine=replace(MACHINE, units=Units("starting"))), "starting")
    golden.check(missing(machine=replace(MACHINE, units=Units("maintenance"))), "maintenance")


def test_systemd_without_an_answer_proves_nothing(
    golden: GoldenFiles,
) -> None:
    silent = Units(UNKNOWN_STATE)
    golden.check(missing(machine=replace(MACHINE, units=silent)), "after")
    after = replace(MACHINE, units=Units("degraded", ("b.service",)))
    work = Work("t", "done", units=silent)
    failed = verification.newly_failed(work, after)
    assert failed == ("b.service",)
    golden.check(verification.describe_failed(failed, work, "n-0"), "before")


def test_ready_daemonset_pods_must_be_ready_again(golden: GoldenFiles) -> None:
    golden.check(missing(cluster=view(DAEMON, replace(POD, ready=False))), "unready")
    golden.check(missing(cluster=view(DAEMON)), "no-pod")


def test_deleted_daemonset_is_not_waited_for() -> None:
    assert (
        verification.missing_proof(RUN, BACK, MACHINE, view(replace(POD, uid="x", node="n-1")), NOW) is None
    )


def test_daemonset_pod_that_was_not_ready_before_is_not_waited_for() -> None:
    assert daemonsets.ready("n-0", view(DAEMON, replace(POD, ready=False))) == ()
    assert daemonsets.ready("n-0", view()) == ("kube-system/cni",)


def test_only_units_that_worked_before_the_reboot_count_as_failed(golden: GoldenFiles) -> None:
    work = Work("t", "done", units=Units("degraded", ("a.service", "b.service")))
    after = replace(MACHINE, units=Units("degraded", ("b.service", "c.service")))
    assert verification.newly_failed(work, after) == ("c.service",)
    assert verification.newly_failed(work, replace(MACHINE, units=None)) == ()
    golden.check(verification.describe_failed(("c.service",), work, "n-0"), "known-before")
    golden.check(verification.describe_failed(("c.service",), None, "n-0"), "unknown-before")


def finished_rollout(failures: Mapping[str, Failure], before: Units | None = None) -> SimulatedRollout:
    nodes = [a_node("n-0"), a_node("n-1"), a_node("n-2")]
    machines = [replace(a_machine(node), units=before) for node in nodes]
    snapshot = a_snapshot(nodes, machines=machines)
    story = SimulatedRollout(
        [snapshot], a_policy(a_pool(failure_limit=1)), ClusterBehaviour(failures=failures), seed=1
    )
    story.start()
    story.run()
    return story


def test_unit_that_fails_in_the_new_release_fails_the_node_and_halts_the_rollout(
    golden: GoldenFiles,
) -> None:
    story = finished_rollout({"n-0": "unit-fails"})
    run = story.run_of("n-0")
    assert run.step is Step.FAILED and run.slot and run.rolled_back == ""
    assert UNIT in run.why
    golden.check(run.why)
    assert story.rollout.state == "halted"
    assert story.steps()["n-2"] is Step.STAGED


def test_unit_that_had_failed_before_is_ignored() -> None:
    story = finished_rollout({}, Units("degraded", ("smartd.service",)))
    assert set(story.steps().values()) == {Step.DONE}
    assert story.run_of("n-0").proof["units"] == "degraded, as before: smartd.service"


def test_newly_failed_unit_is_named() -> None:
    why = finished_rollout({"n-0": "unit-fails"}, Units("degraded", ("smartd.service",))).run_of("n-0").why
    assert UNIT in why and "smartd" not in why


def test_endless_start_times_out(golden: GoldenFiles) -> None:
    run = finished_rollout({"n-0": "stays-starting"}).run_of("n-0")
    assert run.step is Step.FAILED
    golden.check(run.why)


@pytest.mark.parametrize("late", [True, False])
def test_unit_that_fails_during_the_soak_fails_the_node(late: bool) -> None:
    node = a_node("n-0")
    machine = replace(a_machine(node), units=Units("running"))
    pool = a_pool(soak_seconds=120)
    story = SimulatedRollout([a_snapshot([node], machines=[machine])], a_policy(pool), seed=1)
    story.start()
    story.run(until=lambda: story.run_of("n-0").step is Step.SOAK)
    if late:
        (now,) = story.models["east"].snapshot(story.now).machines
        story.models["east"].stranger.put_machine(replace(now, units=Units("degraded", (UNIT,))))
    story.run()
    assert story.run_of("n-0").step is (Step.FAILED if late else Step.DONE)
