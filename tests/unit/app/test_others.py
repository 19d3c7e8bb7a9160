"""Marks and objects of other parties in a dump, and in the inventory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fleet.app.inventory.sync import sync
from fleet.app.planning.dumps import plan_of_dump
from fleet.app.planning.lint import lint_dump
from fleet.app.reporting.blockers import blockers
from fleet.app.reporting.explain import explain
from fleet.cli.views.plan.overview import plan_overview
from fleet.core.objects.node import Taint
from fleet.core.records.reasons.reason import Reason
from fleet.core.third_parties.maintenance import Maintenance
from fleet.lab.simulation.builders import NEW
from tests.unit.app.homes import a_home, small_cluster
from tests.unit.app.test_dumps import a_dump, a_node


def tainted(key: str, value: str = "", effect: str = "NoSchedule") -> list[dict[str, Any]]:
    node = a_node(0)
    return [{**node, "spec": {"taints": [{"key": key, "value": value, "effect": effect}]}}]


def annotated(**annotations: str) -> list[dict[str, Any]]:
    node = a_node(0)
    keys = {key.replace("__", "/").replace("_", "-"): value for key, value in annotations.items()}
    return [{**node, "metadata": {**node["metadata"], "annotations": keys}}]


def labelled(key: str, value: str) -> list[dict[str, Any]]:
    node = a_node(0)
    labels = {**node["metadata"]["labels"], key: value}
    return [{**node, "metadata": {**node["metadata"], "labels": labels}}]


def an_object(api_version: str, kind: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "work-1", "namespace": "ops", "uid": "u-work"}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec, "status": status}


LOCK = '{"nodeID": "n-0", "created": "2026-11-02T08:00:00Z", "TTL": 0}'
SUC = {
    "kind": "Pod",
    "metadata": {
        "name": "apply-os",
        "namespace": "cattle-system",
        "uid": "u-suc",
        "labels": {"upgrade.cattle.io/controller": "system-upgrade-controller"},
        "ownerReferences": [{"kind": "Job", "name": "apply-os", "uid": "u-job", "controller": True}],
    },
    "spec": {"nodeName": "n-0", "containers": [{"name": "a"}]},
    "status": {"phase": "Running"},
}
DUMPS: dict[str, tuple[list[dict[str, Any]], Reason, str]] = {
    "cluster autoscaler": (
        tainted("ToBeDeletedByClusterAutoscaler", "1795968000"),
        Reason.OTHERS,
        "since 2026-11-29 16:00 UTC",
    ),
    "karpenter": (tainted("karpenter.sh/disrupted"), Reason.OTHERS, "Karpenter"),
    "cluster api": (tainted("node.cluster.x-k8s.io/uninitialized"), Reason.OTHERS, "Cluster API"),
    "spot": (tainted("aws-node-termination-handler/spot-itn", "spot-1"), Reason.OTHERS, "AWS"),
    "gke": (labelled("cloud.google.com/active-node-maintenance", "ONGOING"), Reason.OTHERS, "GKE"),
    "kured": (
        annotated(**{"weave.works__kured_reboot_in_progress": "2026-11-02T08:00:00Z"}),
        Reason.OTHERS,
        "kured reboots it",
    ),
    "mco": (
        annotated(**{"machineconfiguration.openshift.io__state": "Degraded"}),
        Reason.OTHERS_STAY,
        "Degraded",
    ),
    "out of service": (
        tainted("node.kubernetes.io/out-of-service", "nodeshutdown", "NoExecute"),
        Reason.OTHERS_STAY,
        "out of service",
    ),
    "maintenance-operator": (
        [
            a_node(0),
            an_object(
                "maintenance.nvidia.com/v1alpha1",
                "NodeMaintenance",
                {"nodeName": "n-0", "requestorID": "nic.nvidia", "additionalRequestors": ["gpu.nvidia"]},
                {"conditions": [{"type": "Ready", "status": "False", "reason": "Draining"}]},
            ),
        ],
        Reason.OTHERS,
        "for nic.nvidia, gpu.nvidia: Draining",
    ),
    "medik8s": (
        [
            a_node(0),
            an_object(
                "nodemaintenance.medik8s.io/v1beta1",
                "NodeMaintenance",
                {"nodeName": "n-0", "reason": "new disk"},
                {"phase": "Succeeded"},
            ),
        ],
        Reason.OTHERS_STAY,
        "new disk",
    ),
    "kured's lock": (
        [
            a_node(0),
            {
                "kind": "DaemonSet",
                "metadata": {
                    "name": "kured",
                    "namespace": "ops",
                    "uid": "u-ds",
                    "annotations": {"weave.works/kured-node-lock": LOCK},
                },
            },
        ],
        Reason.OTHERS,
        "lock on DaemonSet ops/kured since 2026-11-02 08:00 UTC",
    ),
    "system-upgrade-controller": ([a_node(0), SUC], Reason.OTHERS, "pod cattle-system/apply-os"),
}


@pytest.mark.parametrize("name", DUMPS)
def test_node_of_a_dump_that_another_party_works_on_is_held(name: str, tmp_path: Path) -> None:
    items, reason, message = DUMPS[name]
    home = a_home(tmp_path / "home")
    dump = a_dump(tmp_path / "shop.json", *items, a_node(1), a_node(2))
    plan = plan_of_dump(home, ["workers"], NEW.version, dump)
    assert sorted(run.node for run in plan.runs) == ["n-1", "n-2"]
    (held,) = plan.held
    assert (held.node, held.reason) == ("n-0", reason)
    assert message in held.detail and held.remedy
    found = [each for each in lint_dump(home, "", dump).findings if each.check.startswith("others-")]
    assert any("n-0" in each.message or each.subject == "n-0" for each in found), found


def test_node_of_a_dump_that_may_be_deleted_is_warned_of(tmp_path: Path) -> None:
    soft = tainted("DeletionCandidateOfClusterAutoscaler", "1793610000", "PreferNoSchedule")
    dump = a_dump(tmp_path / "shop.json", *soft, a_node(1), a_node(2))
    plan = plan_of_dump(a_home(tmp_path / "home"), ["workers"], NEW.version, dump)
    assert sorted(run.node for run in plan.runs) == ["n-0", "n-1", "n-2"]
    (warning,) = (each for each in plan.warnings if each.check == "may-be-deleted")
    assert warning.subject == "cluster-autoscaler" and "n-0" in warning.message


def test_cordon_beside_the_mark_is_reported_with_its_owner(tmp_path: Path) -> None:
    (node,) = tainted("ToBeDeletedByClusterAutoscaler", "1795968000")
    node["spec"]["unschedulable"] = True
    dump = a_dump(tmp_path / "shop.json", node, a_node(1))
    (held,) = plan_of_dump(a_home(tmp_path / "home"), ["workers"], NEW.version, dump).held
    assert held.reason == Reason.OTHERS and held.held is not None and not held.held.needs_action
    assert "the cluster autoscaler deletes it" in held.detail and "uncordon" not in held.remedy


def test_inventory_stores_the_marks_of_other_parties(tmp_path: Path) -> None:
    cluster = small_cluster()
    kind = "nodemaintenances.nodemaintenance.medik8s.io"
    work = Maintenance(kind, "", "disk", "uid-disk", "n-1", ("new disk",), "Succeeded")
    soft = Taint("DeletionCandidateOfClusterAutoscaler", "PreferNoSchedule", "1793610000")
    nodes = tuple(
        replace(each, taints=(*each.taints, soft)) if each.name == "n-4" else each for each in cluster.nodes
    )
    home = a_home(tmp_path / "home", replace(cluster, nodes=nodes, maintenances=(work,)))
    sync(home)
    reported = explain(home, "n-1", blockers)
    assert [held.reason for held in reported.held] == [Reason.OTHERS_STAY]
    assert home.store.inventory.snapshot("east").maintenances == (work,)
    reported = explain(home, "n-4", blockers)
    assert len(reported.may_be_deleted) == 1 and soft.key in reported.may_be_deleted[0]


def test_wait_that_another_party_ends_needs_no_operator(tmp_path: Path) -> None:
    items, _, _ = DUMPS["cluster autoscaler"]
    dump = a_dump(tmp_path / "shop.json", *items, a_node(1))
    plan = plan_of_dump(a_home(tmp_path / "home"), ["workers"], NEW.version, dump)
    reported = plan_overview(plan, plan.start).plain
    assert (
        "1 node waits for something that passes by itself" in reported
        and "operator" not in reported.partition("held")[2]
    )
