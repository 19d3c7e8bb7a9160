"""The main job, end to end, by the command, on a real API server; watched by an observer that shares no code with it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from fleet.lab import Lab
from tests.cluster.command import Fleet
from tests.cluster.observer import NodeLimits, Observer
from tests.cluster.rest import Cluster
from tests.cluster.rolling import KERNEL, NEW, OLD, active, assert_left_clean, begun_fleet, upgraded, wait
from tests.cluster.scenario import Scenario, scenario

LIMITS = NodeLimits(zone=8, pools={"workers": 13, "storage": 3})
"""As the policy, and one more for the node that a stranger has cordoned in each."""


def free_everything(fleet: Fleet, cluster: Cluster, things: Scenario) -> None:
    """Takes away the obstacles that hold nodes, as their owners would."""
    things.free_checkout(cluster)
    things.drop_second_budget(cluster)
    things.drop_debug(cluster)


def assert_held_by_skew(fleet: Fleet, cluster: Cluster) -> None:
    """Of kubelets that are too new for the API server none goes; one that is as new goes on."""
    policy = fleet.home / "fleet.yaml"
    before = policy.read_text()
    server = cluster.get("/version")["gitVersion"]

    def brings(kubelet: str) -> None:
        policy.write_text(before.replace(f"kernel: {KERNEL}}}", f"kernel: {KERNEL}, kubelet: {kubelet}}}"))

    brings("v1.99.0")
    refusal = fleet.run("plan", "--pool", "workers", "--to", NEW, code=3)
    assert "kubelet v1.99.0" in refusal and f"API server {server}" in refusal, refusal
    brings(server)
    plan = fleet.json("plan", "--pool", "workers", "--to", NEW)
    assert plan["runs"] and "skew" not in {hold["reason"] for hold in plan["held"]}
    policy.write_text(before)


def test_readme_session_from_plan_to_report(lab: Lab, tmp_path: Path) -> None:
    with begun_fleet(lab, tmp_path / "home", 20, scenario(16)) as (fleet, cluster, things):
        foreign = things.free_nodes(cluster)[0]
        cluster.patch(f"/api/v1/nodes/{foreign}", {"spec": {"unschedulable": True}})
        fleet.run("sync")
        status = fleet.json("status")
        assert status["summary"]["nodes"] == 20
        assert {node["version"] for node in status["nodes"]} == {OLD}
        before = {
            node["metadata"]["name"]: node["metadata"]["resourceVersion"]
            for node in cluster.get("/api/v1/nodes")["items"]
        }
        assert_held_by_skew(fleet, cluster)
        plan = fleet.json("plan", "--pool", "workers", "--pool", "storage", "--to", NEW)
        after = {
            node["metadata"]["name"]: node["metadata"]["resourceVersion"]
            for node in cluster.get("/api/v1/nodes")["items"]
        }
        assert before == after, "a plan writes nothing to the cluster"
        held = {hold["reason"] for hold in plan["held"]}
        assert held == {"foreign-cordon", "budget-never", "several-budgets", "unmanaged"}
        assert plan["lower_bound_seconds"] <= plan["makespan_seconds"]
        with Observer(lab.kubeconfig, LIMITS, foreign_cordons=(foreign,)).watching() as observer:
            fleet.run("rollout", "start", plan["plan_id"])
            refusal = fleet.run("rollout", "start", plan["plan_id"], code=3)
            assert "r-1" in refusal
            held_nodes = {hold["node"] for hold in plan["held"]}
            wait(
                lambda: len(upgraded(cluster)) >= 20 - len(held_nodes), lambda: fleet.run("rollout", "status")
            )
            arguments = fleet.run("explain", foreign)
            assert "cordoned, not by fleet" in arguments
            free_everything(fleet, cluster, things)
            wait(lambda: len(upgraded(cluster)) == 19, lambda: fleet.run("status", "--attention"))
            fleet.run("rollout", "abort")
            wait(lambda: not active(fleet), lambda: fleet.run("rollout", "status"))
        assert observer.violations == []
        assert max(observer.seen.reboots.values()) == 1
        assert_left_clean(cluster, foreign)
        report = fleet.json("report", "r-1")
        proven = [run for run in report["runs"] if run["step"] == "done"]
        assert len(proven) == 19
        for run in proven:
            assert run["proof"]["version"] == NEW and run["proof"]["kernel"] == KERNEL
            assert run["proof"]["boot_id_before"] != run["proof"]["boot_id_after"]
        assert "<!doctype html>" in fleet.run("report", "r-1", "-o", "html").lower()
        fleet.run("audit", "verify")
        fleet.run("audit", "keygen")
        fleet.run("report", "r-1", "-o", "json", "--file", str(tmp_path / "report.json"))
        assert json.loads((tmp_path / "report.json").read_bytes())["requests"], "API servers were asked"
        key = tmp_path / "home" / "audit" / "public-key.pem"
        fleet.run("audit", "verify", "--file", str(tmp_path / "report.json"), "--key", str(key))


@pytest.mark.timeout(900)
def test_rollout_killed_ten_times_upgrades_proves_and_cleans_every_node(lab: Lab, tmp_path: Path) -> None:
    with begun_fleet(lab, tmp_path / "home", 60, scenario(40)) as (fleet, cluster, things):
        plan = fleet.json("plan", "--pool", "workers", "--pool", "storage", "--to", NEW)
        moments = random.Random(11)
        with Observer(lab.kubeconfig, LIMITS).watching() as observer:
            with fleet.background("rollout", "start", plan["plan_id"], "--foreground") as process:
                kill_after(fleet, process, moments.randint(5, 150))
            for kill in range(9):
                if kill == 4:
                    free_everything(fleet, cluster, things)
                with fleet.background("run", "--until-idle") as process:
                    kill_after(fleet, process, moments.randint(1, 200))
            with fleet.background("run", "--until-idle") as process:
                wait(
                    lambda: process.poll() is not None, lambda: fleet.run("rollout", "status") + fleet.output
                )
                assert process.returncode == 0, fleet.output
        assert observer.violations == []
        assert upgraded(cluster) == {node["node"] for node in plan["runs"]} | {
            hold["node"] for hold in plan["held"]
        }
        assert set(observer.seen.reboots.values()) == {1}
        assert_left_clean(cluster, "")
        report = fleet.json("report", "r-1")
        assert {run["step"] for run in report["runs"]} == {"done"}
        assert all(run["proof"]["version"] == NEW for run in report["runs"])
        fleet.run("audit", "verify")


def kill_after(fleet: Fleet, process: Any, entries: int) -> None:
    """SIGKILL once the journal has grown by so many entries; or at once if the work has ended."""
    begun = fleet.entries()
    wait(lambda: process.poll() is not None or fleet.entries() >= begun + entries, lambda: fleet.output, 120)
    process.kill()
    process.wait(30)
