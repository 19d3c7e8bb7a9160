"""Other programs that reboot nodes are recognised by their pods, and no other program is taken for one of them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.linting.finding import LintFinding
from fleet.core.linting.lint import lint
from fleet.core.linting.rebooters import Rebooter, rebooters
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.workload import Workload
from fleet.core.policy.policy import Policy
from fleet.lab.simulation.builders import a_node, a_snapshot
from tests.golden import GoldenFiles

NODES = [a_node(f"n-{index}") for index in range(3)]
CONTROLLER = {"upgrade.cattle.io/controller": "system-upgrade-controller"}


def pods(
    kind: str, owner: str, labels: dict[str, str], count: int = 3, namespace: str = "kube-system"
) -> list[Pod]:
    return [
        Pod(
            namespace,
            f"{owner}-{index}",
            f"{owner}-{index}",
            node=NODES[index].name,
            labels=labels,
            owner=Owner(kind, owner, f"u-{owner}"),
        )
        for index in range(count)
    ]


def seen(*own: Pod, workloads: tuple[Workload, ...] = ()) -> Snapshot:
    return a_snapshot(NODES, (list(workloads), list(own)))


@pytest.mark.parametrize(
    ("owner", "labels"),
    [
        ("kured", {"name": "kured"}),
        ("kured", {}),
        ("kubereboot-kured", {"app.kubernetes.io/name": "kured", "app.kubernetes.io/instance": "kubereboot"}),
        ("reboots", {"app": "kured"}),
    ],
)
def test_kured_is_recognised_by_the_name_of_its_daemonset_or_its_labels(
    owner: str, labels: dict[str, str], golden: GoldenFiles
) -> None:
    found = rebooters(seen(*pods("DaemonSet", owner, labels)))
    assert found == (Rebooter("kured", (f"DaemonSet kube-system/{owner}",), 3),)
    golden.check(f"{found[0].message}\n{found[0].remedy}", owner)


def test_flatcars_agent_is_recognised_and_counted_where_it_runs() -> None:
    agent = "flatcar-linux-update-agent"
    operator = pods(
        "ReplicaSet", "flatcar-linux-update-operator-5d9c", {"app": "flatcar-linux-update-operator"}, 1
    )
    found = rebooters(seen(*pods("DaemonSet", agent, {"app": agent}, 1, "reboot-coordinator"), *operator))
    assert found == (Rebooter("Flatcar's update operator", (f"DaemonSet reboot-coordinator/{agent}",), 1),)
    assert found[0].message.endswith("on 1 node")


@pytest.mark.parametrize(
    "own",
    [
        pods("DaemonSet", "kured-exporter", {"name": "kured-exporter"}),
        pods("ReplicaSet", "kured", {"app": "kured"}),
        pods("DaemonSet", "update-agent", {"app": "update-agent"}),
        pods("StatefulSet", "system-upgrade-controller", CONTROLLER),
        [replace(pod, owner=None) for pod in pods("DaemonSet", "kured", {"name": "kured"})],
        [replace(pod, phase="Failed") for pod in pods("DaemonSet", "kured", {"name": "kured"})],
    ],
    ids=["another daemon", "a deployment", "any agent", "another kind", "a bare pod", "ended"],
)
def test_similar_workloads_are_not_taken_for_rebooters(own: list[Pod]) -> None:
    assert rebooters(seen(*own)) == ()


def a_controller() -> tuple[list[Pod], tuple[Workload, ...]]:
    name = "system-upgrade-controller"
    owner = Owner("Deployment", name, "u-d")
    replica_set = Workload("ReplicaSet", "system-upgrade", f"{name}-7c9", "u-rs", owner=owner)
    return pods("ReplicaSet", replica_set.name, CONTROLLER, 1, "system-upgrade"), (replica_set,)


def test_idle_system_upgrade_controller_is_named_and_no_finding() -> None:
    own, workloads = a_controller()
    snapshot = seen(*own, workloads=workloads)
    (found,) = rebooters(snapshot)
    assert (found.workloads, found.nodes) == (("Deployment system-upgrade/system-upgrade-controller",), 0)
    assert found.message.startswith("may drain and reboot the nodes that its Plans select")
    assert "plans.upgrade.cattle.io" in found.remedy
    assert lint(Policy(), [snapshot]).findings == ()


def test_running_jobs_of_upgrade_plans_are_a_finding(golden: GoldenFiles) -> None:
    own, workloads = a_controller()
    jobs = pods("Job", "apply-agents", CONTROLLER | {"upgrade.cattle.io/plan": "agents"}, 3, "system-upgrade")
    ended = replace(jobs[2], phase="Succeeded")
    plan = Owner("Plan", "agents", "u-plan")
    job = Workload("Job", "system-upgrade", "apply-agents", "u-job", owner=plan)
    findings = lint(Policy(), [seen(*own, *jobs[:2], ended, workloads=(*workloads, job))]).findings
    marked = [each for each in findings if each.check == "others-node"]
    assert [each.subject for each in marked] == ["system-upgrade-controller"] * 2
    (finding,) = (each for each in findings if each not in marked)
    assert (finding.check, finding.subject) == ("others-reboot", "system-upgrade-controller")
    golden.check(finding.message)


def test_daemon_that_reboots_nodes_is_a_finding_with_a_remedy() -> None:
    snapshot = seen(*pods("DaemonSet", "kured", {"name": "kured"}))
    (kured,) = rebooters(snapshot)
    assert lint(Policy(), [snapshot]).findings == (
        LintFinding("east", "others-reboot", "kured", kured.message, kured.remedy),
    )
