"""A Deployment that tolerates everything and prefers its node, under the real scheduler: it comes right back there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from fleet.core.rollout.returning_pods import PAUSES
from fleet.lab import Lab
from tests.cluster.command import Fleet
from tests.cluster.rest import Cluster
from tests.cluster.rolling import NEW, STREAM, active, assert_left_clean, begun_fleet, wait
from tests.cluster.scenario import Scenario, Workload, is_ready

MONITOR = Workload("Deployment", "ops", "monitor", 1)
POLICY = f"""{STREAM}\
pools:
  - name: workers
    selector: {{matchLabels: {{fleet.internal/pool: workers}}}}
    canaries: 0
"""


class Pods:
    """Every pod of the Deployment that was ever seen, by uid: each but the first replaces one that was evicted."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.uids: set[str] = set()

    def look(self) -> int:
        found = self._cluster.get("/api/v1/namespaces/ops/pods?labelSelector=app%3Dmonitor")["items"]
        self.uids |= {pod["metadata"]["uid"] for pod in found}
        return len(self.uids)

    def at_home(self, node: str) -> bool:
        found = self._cluster.get("/api/v1/namespaces/ops/pods?labelSelector=app%3Dmonitor")["items"]
        return [pod["spec"].get("nodeName") for pod in found if is_ready(pod)] == [node]


def settle(cluster: Cluster) -> str:
    """Makes the Deployment tolerate everything and prefer the only node that is upgraded; answers that node."""
    nodes = cluster.get("/api/v1/nodes?labelSelector=fleet.internal%2Fpool%3Dworkers")["items"]
    (node,) = (each["metadata"]["name"] for each in nodes)
    term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    preferred = [{"weight": 100, "preference": {"matchExpressions": [term]}}]
    spec = {
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}},
    }
    cluster.patch(MONITOR.path, {"spec": {"template": {"spec": spec}}})
    return str(node)


def begin(fleet: Fleet) -> dict[str, Any]:
    plan: dict[str, Any] = fleet.json("plan", "--pool", "workers", "--to", NEW)
    fleet.run("rollout", "start", plan["plan_id"])
    return plan


@pytest.mark.timeout(600)
def test_pods_that_come_back_are_evicted_a_few_times_and_an_abort_takes_effect_at_once(
    lab: Lab, tmp_path: Path
) -> None:
    things = Scenario((MONITOR,), obstacles=False)
    pools = {"workers": 1, "others": 2}
    with begun_fleet(lab, tmp_path / "home", 3, things, policy=POLICY, pools=pools) as (fleet, cluster, _):
        node = settle(cluster)
        wait(lambda: Pods(cluster).at_home(node), lambda: "the Deployment is not on its node")
        fleet.run("sync")
        with fleet.background("run"):
            before = Pods(cluster)
            before.look()
            plan = begin(fleet)
            assert [each["check"] for each in plan["warnings"]] == ["tolerates-cordon"]
            wait(lambda: before.look() >= 3, lambda: fleet.run("rollout", "status"))
            begun = time.monotonic()
            fleet.run("rollout", "abort")
            wait(lambda: not active(fleet), lambda: fleet.run("rollout", "status"), 30)
            assert time.monotonic() - begun < 20
            (run,) = fleet.json("report", "r-1")["runs"]
            assert run["step"] == "cancelled"
            assert_left_clean(cluster)
            wait(lambda: before.at_home(node), lambda: "the Deployment is not on its node")
            after = Pods(cluster)
            first = after.look()
            begin(fleet)
            wait(lambda: not active(fleet), lambda: f"{after.look()}: {fleet.run('rollout', 'status')}")
            assert after.look() - first <= 1 + len(PAUSES)
            (run,) = fleet.json("report", "r-2")["runs"]
            assert run["step"] == "failed"
            assert "Deployment ops/monitor" in run["why"] and "tolerate every taint" in run["why"]
            fleet.run("rollout", "release", node)
            wait(lambda: not cluster.get(f"/api/v1/nodes/{node}")["spec"].get("unschedulable"), lambda: node)
            assert_left_clean(cluster)
