"""A lab ready to be rolled: nodes, workloads, agents, fleet installed; and what must be true when a rollout has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleet.lab import Lab
from tests.cluster.agents import agents
from tests.cluster.command import Fleet
from tests.cluster.rest import Cluster, Json
from tests.cluster.scenario import Scenario

OLD, NEW = "44.20261015.3.0", "44.20261101.3.0"
KERNEL = "6.12.9"
STREAM = f"""\
streams:
  - name: stable
    releases:
      - {{version: {OLD}, digest: "sha256:{"a" * 64}", kernel: 6.11.4}}
      - {{version: {NEW}, digest: "sha256:{"b" * 64}", kernel: {KERNEL}}}
defaults:
  stream: stable
  soak: 1s
  stage: {{concurrency: 20}}
"""
POLICY = f"""{STREAM}\
pools:
  - name: workers
    selector: {{matchLabels: {{fleet.internal/pool: workers}}}}
    limits: {{max_unavailable: 25%, per_zone: 5}}
  - name: storage
    selector: {{matchLabels: {{fleet.internal/pool: storage}}}}
    limits: {{max_unavailable: 2}}
"""
POOLS = {"workers": 4, "storage": 1}
"""Weights."""

Made = tuple[Fleet, Cluster, Scenario]


def wait(condition: Callable[[], object], what: Callable[[], str], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not after {seconds:.0f} s: {what()}"
        time.sleep(0.2)  # noqa: TID251 - between two looks at the condition


@contextmanager
def begun_fleet(
    lab: Lab,
    home: Path,
    nodes: int,
    things: Scenario,
    *,
    policy: str = POLICY,
    pools: Mapping[str, int] = POOLS,
    kubeconfig: Path | None = None,
) -> Iterator[Made]:
    """A lab with nodes, workloads, agents, and fleet installed; taken away with `fleet cluster uninstall`."""
    cluster = Cluster(lab.kubeconfig)
    lab.add_nodes(nodes, pools=pools)
    things.create(cluster)
    fleet = Fleet(home)
    (home / "fleet.yaml").write_text(policy)
    fleet.run("cluster", "add", "east", "--kubeconfig", str(kubeconfig or lab.kubeconfig), "--site", "fra")
    fleet.run("cluster", "install", "east")
    with agents(lab):
        things.wait_ready(cluster)
        wait(lambda: reported(cluster) == nodes, lambda: f"{reported(cluster)} machines have reported")
        fleet.run("sync")
        yield fleet, cluster, things
    fleet.run("cluster", "uninstall", "east", "--yes")


def reported(cluster: Cluster) -> int:
    """Machines whose agent has spoken; none while the API server still makes room for the new kind (429)."""
    status, answer = cluster.call("GET", "/apis/fleet.internal/v1/machines", None)
    return sum("booted" in machine.get("status", {}) for machine in answer["items"]) if status == 200 else 0


def upgraded(cluster: Cluster, version: str = NEW) -> set[str]:
    return {
        node["metadata"]["name"]
        for node in cluster.get("/api/v1/nodes")["items"]
        if node["status"]["nodeInfo"]["osImage"].endswith(version)
    }


def marks(node: Json) -> list[str]:
    """What of fleet's is on the node."""
    found = [key for key in node["metadata"].get("annotations", {}) if key.startswith("fleet.internal/")]
    return found + [taint["key"] for taint in node["spec"].get("taints", []) if "fleet" in taint["key"]]


def assert_left_clean(cluster: Cluster, foreign: str = "") -> None:
    for node in cluster.get("/api/v1/nodes")["items"]:
        name = node["metadata"]["name"]
        assert not marks(node), f"{name} still carries {marks(node)}"
        assert node["spec"].get("unschedulable", False) is (name == foreign), name


def assert_proven(fleet: Fleet, rollout: str, nodes: int, version: str = NEW) -> None:
    """By the report, every node is done, with its proof; and the journal is whole."""
    runs = fleet.json("report", rollout)["runs"]
    assert [run["step"] for run in runs] == ["done"] * nodes
    for run in runs:
        assert run["proof"]["version"] == version, run
        assert run["proof"]["boot_id_before"] != run["proof"]["boot_id_after"], run
    fleet.run("audit", "verify")


def active(fleet: Fleet) -> list[Any]:
    return [rollout for rollout in fleet.json("rollout", "list") if not rollout["ended_at"]]
