"""Node objects that go away in the middle of a rollout, on a real API server with its garbage collector."""

from __future__ import annotations

from pathlib import Path

from fleet.lab import Lab
from fleet.lab.fake_nodes.node import BOOT, REBOOT_MS, REBOOTING
from tests.cluster.journal import assert_told_once, entries
from tests.cluster.rest import Cluster, Json
from tests.cluster.rolling import NEW, STREAM, assert_left_clean, begun_fleet, wait
from tests.cluster.scenario import Budget, Scenario, Workload

NODES = "/api/v1/nodes"
POLICY = f"""{STREAM}\
  reboot: {{timeout: 2m}}
pools:
  - name: workers
    selector: {{matchLabels: {{fleet.internal/pool: workers}}}}
    limits: {{max_unavailable: 1}}
    canaries: 1
    failure_limit: 1
"""
THINGS = Scenario(
    (Workload("Deployment", "web", "front", 4, (Budget("front", max_unavailable=1),)),), obstacles=False
)


def nodes(cluster: Cluster) -> list[Json]:
    return cluster.get(NODES)["items"]  # type: ignore[no-any-return]


def away(cluster: Cluster) -> list[Json]:
    """Machines that are down for a reboot."""
    return [node for node in nodes(cluster) if BOOT in node["metadata"].get("annotations", {})]


def draining(cluster: Cluster, but: str) -> list[Json]:
    return [
        node
        for node in nodes(cluster)
        if node["spec"].get("unschedulable")
        and node["metadata"]["name"] != but
        and BOOT not in node["metadata"]["annotations"]
    ]


def register_anew(cluster: Cluster, node: Json) -> None:
    """Registers the node as its kubelet does: the same machine, no taints, no marks of any party; what the lab's
    machine keeps on it stays."""
    meta = node["metadata"]
    kept = {key: text for key, text in meta["annotations"].items() if not key.startswith("fleet.internal/")}
    cluster.create(
        NODES,
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": meta["name"], "labels": meta["labels"], "annotations": kept},
            "spec": {"podCIDR": node["spec"]["podCIDR"], "podCIDRs": node["spec"]["podCIDRs"]},
            "status": {
                key: node["status"][key]
                for key in ("addresses", "capacity", "allocatable", "nodeInfo", "conditions")
            },
        },
    )


def test_recreated_node_is_proven_and_deleted_node_is_cancelled_while_it_reboots(
    lab: Lab, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    begun = begun_fleet(lab, home, 4, THINGS, policy=POLICY, pools={"workers": 1})
    with begun as (fleet, cluster, _):
        for node in nodes(cluster):
            slow = {REBOOT_MS: "8000"}
            cluster.patch(f"{NODES}/{node['metadata']['name']}", {"metadata": {"annotations": slow}})
        plan = fleet.json("plan", "--pool", "workers", "--to", NEW)
        with fleet.background("rollout", "start", plan["plan_id"], "--foreground") as process:
            wait(lambda: away(cluster), lambda: fleet.output)
            canary = away(cluster)[0]
            name = canary["metadata"]["name"]
            cluster.delete(f"{NODES}/{name}")
            wait(lambda: "node-absent" in fleet.run("explain", name, "-o", "json"), lambda: fleet.output)
            register_anew(cluster, canary)
            wait(lambda: draining(cluster, name), lambda: fleet.output)
            removed = draining(cluster, name)[0]["metadata"]["name"]
            cluster.delete(f"{NODES}/{removed}")
            wait(lambda: process.poll() is not None, lambda: fleet.run("rollout", "status") + fleet.output)
            assert process.returncode == 0, fleet.output
        report = fleet.json("report", "r-1")
        ends = {run["node"]: run for run in report["runs"]}
        assert ends.pop(removed)["step"] == "cancelled"
        assert {run["step"] for run in ends.values()} == {"done"} and len(ends) == 3
        assert ends[name]["canary"] and ends[name]["proof"]["version"] == NEW
        assert not report["halts"]
        reported = entries(home, "r-1")
        assert [each.node for each in reported if each.kind == "re-registered"] == [f"east/{name}"]
        assert_told_once(reported)
        assert all(REBOOTING not in node["metadata"]["annotations"] for node in nodes(cluster))
        assert_left_clean(cluster)
        fleet.run("audit", "verify")
