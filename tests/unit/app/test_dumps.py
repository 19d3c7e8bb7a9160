"""Plans from what `kubectl get ... -o json` prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.app.planning.dumps import plan_of_dump
from fleet.app.planning.lint import lint_dump
from fleet.app.planning.plan import PlanExtras
from fleet.app.wiring.home import Home
from fleet.core.linting.finding import LintFinding, LintResult
from fleet.core.records.errors import UsageError
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.lab.simulation.builders import NEW, OLD
from tests.golden import GoldenFiles
from tests.unit.app.homes import POLICY, a_home


def a_node(number: int, version: str = OLD.version) -> dict[str, Any]:
    return {
        "kind": "Node",
        "metadata": {"name": f"n-{number}", "uid": f"u-{number}", "labels": {"pool": "workers"}},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
            "nodeInfo": {
                "osImage": f"Some OS {version}",
                "bootID": f"b-{number}",
                "kernelVersion": OLD.kernel,
            },
        },
    }


def a_pod(number: int, node: int) -> dict[str, Any]:
    owner = {"kind": "ReplicaSet", "name": "api-1", "uid": "rs", "controller": True}
    return {
        "kind": "Pod",
        "metadata": {
            "name": f"api-{number}",
            "namespace": "web",
            "uid": f"p-{number}",
            "labels": {"app": "api"},
            "ownerReferences": [owner],
        },
        "spec": {
            "nodeName": f"n-{node}",
            "containers": [{"name": "a", "resources": {"requests": {"cpu": "100m"}}}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def a_dump(path: Path, *items: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": list(items)}))
    return path


def test_version_that_is_a_prefix_of_another_is_not_that_version(tmp_path: Path) -> None:
    """Flatcar's LTS: 3033.3.18 counted as 3033.3.1, and there was nothing to do."""
    policy = """
streams: [{name: lts, releases: [{version: 3033.3.0}, {version: 3033.3.1}]}]
pools: [{name: all, stream: lts}]
"""
    dump = a_dump(
        tmp_path / "shop.json", a_node(1, "3033.3.1"), a_node(2, "3033.3.18"), a_node(3, "3033.3.0")
    )
    plan = plan_of_dump(a_home(tmp_path / "home", policy=policy), ["all"], "3033.3.1", dump)
    assert {run.node: run.from_version for run in plan.runs} == {
        "n-2": "Some OS 3033.3.18",
        "n-3": "3033.3.0",
    }


def test_nodes_and_pods_are_enough(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    dump = a_dump(tmp_path / "shop.json", *(a_node(n) for n in range(3)), a_pod(1, 0), a_pod(2, 1))
    plan = plan_of_dump(home, ["workers"], NEW.version, dump)
    assert sorted(run.node for run in plan.runs) == ["n-0", "n-1", "n-2"]
    assert {run.from_version for run in plan.runs} == {OLD.version}
    assert (plan.clusters, plan.pods, plan.held) == (("shop",), 2, ())
    assert not home.store.plans.list()


def test_what_if_of_a_dump(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    dump = a_dump(tmp_path / "shop.json", *(a_node(n) for n in range(9)), a_pod(1, 0), a_pod(2, 1))
    plan = plan_of_dump(home, ["workers"], NEW.version, dump, PlanExtras(loosen=True))
    assert plan.what_if is not None and 0 < plan.what_if.plans <= 7
    assert plan.what_if.changes[0].saved_seconds > 0
    assert plan_of_dump(home, ["workers"], NEW.version, dump).what_if is None


def test_plan_search_reports_its_result_and_progress(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    dump = a_dump(tmp_path / "shop.json", *(a_node(n) for n in range(9)), a_pod(1, 0), a_pod(2, 1))
    reported: list[str] = []
    plan = plan_of_dump(
        home, ["workers"], NEW.version, dump, PlanExtras(effort=0.5, progress=reported.append)
    )
    assert plan.effort is not None
    assert reported[0] == "planning: 0 of 9 nodes" and "planning: 9 of 9 nodes" in reported
    assert plan_of_dump(home, ["workers"], NEW.version, dump).effort is None


def test_node_that_already_runs_the_release_is_done(tmp_path: Path) -> None:
    dump = a_dump(tmp_path / "d.json", a_node(0), a_node(1, NEW.version))
    plan = plan_of_dump(a_home(tmp_path / "home"), ["workers"], NEW.version, dump)
    assert [run.node for run in plan.runs] == ["n-0"]


def test_file_that_is_no_dump_is_refused_with_one_error(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    whole = a_dump(tmp_path / "whole.json", a_node(0)).read_text()
    for text, message in (
        (whole[:-20], "not a dump"),
        (json.dumps(a_node(0)), "not a dump"),
        (
            json.dumps({"kind": "List", "items": [{"kind": "ConfigMap", "metadata": {"name": "x"}}]}),
            "no nodes",
        ),
    ):
        file = tmp_path / "d.json"
        file.write_text(text)
        with pytest.raises(UsageError, match=message):
            plan_of_dump(home, ["workers"], NEW.version, file)
    with pytest.raises(UsageError, match="cannot be read"):
        plan_of_dump(home, ["workers"], NEW.version, tmp_path / "nowhere.json")


def test_invalid_quantity_is_named_with_its_object_and_key(tmp_path: Path, golden: GoldenFiles) -> None:
    odd = a_pod(1, 1)
    odd["spec"]["containers"][0]["resources"]["requests"]["memory"] = "lots"
    file = tmp_path / "dump.json"
    file.write_text(json.dumps({"items": [a_node(1), odd]}))
    with pytest.raises(UsageError) as refused:
        plan_of_dump(a_home(tmp_path / "home"), ["workers"], NEW.version, file)
    golden.check(refused.value.message.replace(f"{tmp_path}/", ""))


@pytest.mark.parametrize(
    ("key", "odd"), [("minAvailable", ""), ("maxUnavailable", "half"), ("maxUnavailable", -1)]
)
def test_invalid_share_of_a_budget_is_named(tmp_path: Path, key: str, odd: str | int) -> None:
    body = {"selector": {"matchLabels": {"app": "api"}}, key: odd}
    budget = {"kind": "PodDisruptionBudget", "metadata": {"name": "api", "namespace": "web"}, "spec": body}
    file = tmp_path / "dump.json"
    file.write_text(json.dumps({"items": [a_node(1), budget]}))
    message = f"web/api cannot be read: {key}: expected a number or a percentage such as 50%, found '{odd}'"
    with pytest.raises(UsageError, match=message):
        plan_of_dump(a_home(tmp_path / "home"), ["workers"], NEW.version, file)


def a_set(quorum: str, replicas: int = 3) -> dict[str, Any]:
    return {
        "kind": "StatefulSet",
        "metadata": {
            "name": "zk",
            "namespace": "web",
            "uid": "set",
            "annotations": {"fleet.internal/quorum": quorum},
        },
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "api"}}},
    }


def of_groups(found: LintResult) -> list[LintFinding]:
    return [each for each in found.findings if each.check.startswith(("annotation-", "budget-quorum"))]


def test_quorum_group_declared_by_a_workload_is_planned_and_linted(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    pods = [a_pod(n, n) for n in range(3)]
    dump = a_dump(
        tmp_path / "shop.json", *(a_node(n) for n in range(4)), *pods, a_set("{kind: pods, margin: 1}")
    )
    plan = plan_of_dump(home, ["workers"], NEW.version, dump)
    assert [run.node for run in plan.runs] == ["n-3"]
    assert {hold.reason for hold in plan.held} == {"quorum-never"}
    assert "margin-never" in [finding.check for finding in lint_dump(home, "", dump).findings]
    dump = a_dump(tmp_path / "shop.json", *(a_node(n) for n in range(4)), *pods, a_set("zookeeper"))
    plan = plan_of_dump(home, ["workers"], NEW.version, dump)
    assert plan.held == () and plan.bound_by == "quorum group shop/web/zk"
    assert of_groups(lint_dump(home, "", dump)) == []


def test_wrong_annotation_holds_its_nodes_and_is_named(tmp_path: Path, golden: GoldenFiles) -> None:
    home = a_home(tmp_path / "home")
    pods = [a_pod(n, n) for n in range(3)]
    dump = a_dump(tmp_path / "shop.json", *(a_node(n) for n in range(4)), *pods, a_set("{margin: much}"))
    plan = plan_of_dump(home, ["workers"], NEW.version, dump)
    assert [run.node for run in plan.runs] == ["n-3"]
    (finding,) = of_groups(lint_dump(home, "", dump))
    assert (finding.check, finding.subject) == ("annotation-wrong", "shop/web/zk")
    golden.check(finding.message)
    wrong = Held(Reason.QUORUM_WRONG, "shop/web/zk", {"why": finding.message})
    assert [(hold.held, hold.detail, hold.remedy) for hold in plan.held] == [
        (wrong, wrong.message, wrong.remedy)
    ] * 3


def test_quorum_group_of_the_policy_wins_over_an_annotation(tmp_path: Path, golden: GoldenFiles) -> None:
    policy = f"""{POLICY}\
quorums:
  - {{name: zk, cluster: shop, kind: pods, namespace: web, selector: {{matchLabels: {{app: api}}}}}}
"""
    home = a_home(tmp_path / "home", policy=policy)
    pods = [a_pod(n, n) for n in range(3)]
    dump = a_dump(tmp_path / "shop.json", *(a_node(n) for n in range(4)), *pods, a_set("{margin: 1}"))
    plan = plan_of_dump(home, ["workers"], NEW.version, dump)
    assert plan.held == () and plan.bound_by == "quorum group zk"
    (finding,) = of_groups(lint_dump(home, "", dump))
    assert finding.check == "annotation-policy"
    golden.check(finding.message)


def test_newest_kubelet_of_a_dump_stands_for_the_api_server_version(tmp_path: Path) -> None:
    for kubelet, reasons in (("v1.36.0", set()), ("v1.37.0", {"skew"}), ("v1.32.0", {"skew-old"})):
        policy = POLICY.replace(f"kernel: {NEW.kernel}", f"kernel: {NEW.kernel}, kubelet: {kubelet}")
        home = a_home(tmp_path / kubelet, policy=policy)
        nodes = [a_node(n) for n in range(2)]
        for node, version in zip(nodes, ("v1.35.1", "v1.36.3"), strict=True):
            node["status"]["nodeInfo"]["kubeletVersion"] = version
        dump = a_dump(tmp_path / "shop.json", *nodes)
        plan = plan_of_dump(home, ["workers"], NEW.version, dump)
        assert {hold.reason for hold in plan.held} == reasons, kubelet


def test_budget_is_compared_with_the_quorum_group_of_its_workload(
    tmp_path: Path, golden: GoldenFiles
) -> None:
    budget = {
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "api", "namespace": "web", "uid": "b"},
        "spec": {"maxUnavailable": 2, "selector": {"matchLabels": {"app": "api"}}},
    }
    pods = [a_pod(n, n) for n in range(3)]
    dump = a_dump(tmp_path / "shop.json", *(a_node(n) for n in range(4)), *pods, budget, a_set("zookeeper"))
    (finding,) = of_groups(lint_dump(a_home(tmp_path / "home"), "", dump))
    assert (finding.check, finding.remedy) == ("budget-quorum", "set maxUnavailable: 1")
    golden.check(finding.message)


def test_lint_of_a_dump_needs_neither_a_database_nor_a_policy(tmp_path: Path) -> None:
    bare = a_pod(1, 0) | {"metadata": {"name": "debug", "namespace": "ops", "uid": "p"}}
    found = lint_dump(Home(tmp_path), "", a_dump(tmp_path / "east.json", a_node(0), a_node(1), bare))
    assert [(each.cluster, each.check, each.subject) for each in found.findings] == [
        ("east", "no-budgets", "PodDisruptionBudgets"),
        ("east", "unmanaged", "ops/debug"),
    ]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["east.json"]


def test_a_dump_is_planned_and_linted_in_a_folder_with_a_policy_alone(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(POLICY)
    dump = a_dump(tmp_path / "shop.json", *(a_node(n) for n in range(3)), a_pod(1, 0), a_pod(2, 1))
    home = Home(tmp_path)
    assert len(plan_of_dump(home, ["workers"], NEW.version, dump).runs) == 3
    assert lint_dump(home, "", dump).checked == ("shop",)
    assert not home.exists


def test_pod_terminating_for_days_holds_its_node_alone(tmp_path: Path) -> None:
    stuck = a_pod(1, 0)
    stuck["metadata"] |= {"deletionTimestamp": "2026-10-24T09:00:00Z", "finalizers": ["example.com/hold"]}
    dump = a_dump(tmp_path / "d.json", *(a_node(number) for number in range(3)), stuck, a_pod(2, 1))
    home = a_home(tmp_path / "home", policy=POLICY.replace("canaries: 0", "canaries: 1"))
    plan = plan_of_dump(home, ["workers"], NEW.version, dump)
    assert {run.node for run in plan.runs} == {"n-1", "n-2"}
    (hold,) = plan.held
    assert (hold.node, hold.reason) == ("n-0", "stuck-terminating")
    assert "2026-10-24 09:00" in hold.detail and "example.com/hold" in hold.detail and hold.remedy
    assert not any("rollout resume" in each.remedy for each in plan.held)
    found = {finding.check for finding in lint_dump(home, "", dump).findings}
    assert "stuck-terminating" in found and "finalizers" not in found


def test_plan_that_would_halt_has_remedies_and_names_no_rollout(tmp_path: Path, golden: GoldenFiles) -> None:
    """The pods of its canary come back to it whenever they are evicted: only there is room for both."""
    pods = [a_pod(1, 0), a_pod(2, 0), a_pod(3, 1)]
    for pod in pods:
        pod["spec"]["tolerations"] = [{"operator": "Exists"}]
    pods[0]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "3"
    pods[2]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "3"
    dump = a_dump(tmp_path / "d.json", a_node(0), a_node(1), *pods)
    home = a_home(
        tmp_path / "home",
        policy=POLICY.replace("canaries: 0", "canaries: 1") + "    drain: {no_room: evict}\n",
    )
    plan = plan_of_dump(home, ["workers"], NEW.version, dump)
    golden.check(
        "\n".join(f"{hold.node} {hold.reason}: {hold.detail}\n  -> {hold.remedy}" for hold in plan.held)
    )
    assert "failed" in [hold.reason for hold in plan.held]
    assert not any("rollout resume" in hold.remedy or "rollout plan" in hold.remedy for hold in plan.held)


JOB_TRACKING = "batch.kubernetes.io/job-tracking"


def test_finalizers_of_pods_that_are_not_deleted_hold_nothing(tmp_path: Path) -> None:
    """Every pod of a Job has one."""
    pods = [a_pod(1, 0), a_pod(2, 1), a_pod(3, 2)]
    pods[0]["metadata"] |= {"finalizers": [JOB_TRACKING], "ownerReferences": [a_job("j")]}
    pods[1]["metadata"]["finalizers"] = ["kueue.x-k8s.io/managed"]
    pods[2]["metadata"] |= {"finalizers": [JOB_TRACKING], "ownerReferences": [a_job("k")]}
    pods[2]["metadata"] |= {"deletionTimestamp": "2999-10-24T09:00:00Z", "deletionGracePeriodSeconds": 30}
    dump = a_dump(tmp_path / "d.json", *(a_node(number) for number in range(3)), *pods)
    home = a_home(tmp_path / "home", policy=POLICY.replace("canaries: 0", "canaries: 1"))
    plan = plan_of_dump(home, ["workers"], NEW.version, dump)
    assert {run.node for run in plan.runs} == {"n-0", "n-1", "n-2"} and not plan.held
    (warning,) = [each for each in plan.warnings if each.check == "finalizers"]
    assert warning.subject == "web/api-2" and "kueue.x-k8s.io/managed" in warning.message
    assert [each.subject for each in lint_dump(home, "", dump).findings if each.check == "finalizers"] == [
        "web/api-2"
    ]


def test_pod_with_a_long_deletion_is_warned_of(tmp_path: Path) -> None:
    pod = a_pod(1, 0)
    pod["metadata"] |= {"deletionTimestamp": "2999-10-24T09:00:00Z", "deletionGracePeriodSeconds": 86400}
    dump = a_dump(tmp_path / "d.json", a_node(0), a_node(1), pod, a_pod(2, 1))
    home = a_home(tmp_path / "home")
    for found in (
        [
            each.message
            for each in plan_of_dump(home, ["workers"], NEW.version, dump).warnings
            if each.check == "leaving"
        ],
        [each.message for each in lint_dump(home, "", dump).findings if each.check == "leaving"],
    ):
        (message,) = found
        assert "2999-10-24 09:00 UTC" in message and "web/api-1" in message


def a_job(name: str) -> dict[str, Any]:
    return {"kind": "Job", "name": name, "uid": name, "controller": True}
