"""A cluster of real hosts is upgraded by its agents, under a budget, with a client that never sees an error; and a
release whose kubelet does not start is rolled back and halts the rollout."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.lab.machines import Machines, agent, cluster
from tests.cluster.command import Fleet
from tests.cluster.rest import Cluster, Json
from tests.cluster.rolling import assert_left_clean, reported
from tests.machines.client import Client, ready
from tests.machines.host import Host

pytestmark = pytest.mark.timeout(900)

NAMES = ("w1", "w2", "w3")
LABELS = {"app": "shop"}
PODS = "/api/v1/namespaces/default/pods?labelSelector=app%3Dshop"
AGENTS = "/api/v1/namespaces/fleet-system/pods"
REPLICAS = 3
BROKEN = "1.3"
POLICY = """\
streams:
  - name: stable
    releases:
{releases}
defaults: {{stream: stable, soak: 1s}}
pools:
  - name: workers
    limits: {{max_unavailable: 1}}
"""


@dataclass(frozen=True)
class Bed:
    machines: Machines
    fleet: Fleet
    kubeconfig: Path
    api: Cluster
    hosts: tuple[Host, ...]

    def offer(self, *versions: str) -> None:
        found = self.machines.commits()
        lines = [f'      - {{version: "{each}", digest: "sha256:{found[each]}"}}' for each in versions]
        (self.fleet.home / "fleet.yaml").write_text(POLICY.format(releases="\n".join(lines)))
        self.fleet.run("sync")

    def roll(self, version: str, code: int = 0) -> None:
        """To its end, whatever that is."""
        plan = self.fleet.json("plan", "--pool", "workers", "--to", version)["plan_id"]
        self.fleet.run("rollout", "start", plan, "--foreground", code=code, seconds=600)

    def nodes(self) -> dict[str, Json]:
        found = self.api.get("/api/v1/nodes")["items"]
        return {node["metadata"]["name"]: node["status"] for node in found}

    def ready_nodes(self) -> list[str]:
        return [
            name
            for name, status in self.nodes().items()
            for each in status.get("conditions", [])
            if each["type"] == "Ready" and each["status"] == "True"
        ]

    def ready_pods(self, path: str = PODS) -> dict[str, Json]:
        """By name."""
        return {pod["metadata"]["name"]: pod for pod in self.api.get(path)["items"] if ready(pod)}

    def boots(self) -> dict[str, str]:
        return {host.name: host.boot_id() for host in self.hosts}

    def started(self, unit: str) -> dict[str, str]:
        """When it was started, on each host; with the boot, since that is the clock it is told by."""
        words = (
            f"systemctl show -p ActiveEnterTimestamp -p MainPID {unit}; cat /proc/sys/kernel/random/boot_id"
        )
        return {host.name: host.run(words) for host in self.hosts}


def wait(condition: Callable[[], object], what: Callable[[], object], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not after {seconds:.0f} s: {what()}"
        time.sleep(0.3)  # noqa: TID251 - between two looks at the condition


def workload() -> Json:
    probe = {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1}
    container = {"name": "web", "image": "lab.fleet.internal/web:1", "readinessProbe": probe}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": LABELS},
    }
    template = {
        "metadata": {"labels": LABELS},
        "spec": {"containers": [container], "topologySpreadConstraints": [spread]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {"replicas": REPLICAS, "selector": {"matchLabels": LABELS}, "template": template},
    }


def budget() -> Json:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "shop"},
        "spec": {"minAvailable": REPLICAS - 1, "selector": {"matchLabels": LABELS}},
    }


@pytest.fixture(scope="module")
def machines(may_run_machines: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    up = Machines.up(tmp_path_factory.mktemp("machines") / "m", NAMES, tied=True, progress=print)
    try:
        yield up
    finally:
        up.down()


@pytest.fixture(scope="module")
def bed(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A cluster of three nodes with their agents and a workload."""
    lab = cluster.up(tmp_path_factory.mktemp("control-plane") / "lab", machines, tied=True, progress=print)
    try:
        fleet, api = Fleet(tmp_path_factory.mktemp("home")), Cluster(lab.kubeconfig, patience=60)
        found = Bed(machines, fleet, lab.kubeconfig, api, tuple(Host(machines, name) for name in NAMES))
        wait(lambda: len(found.ready_nodes()) == len(NAMES), found.nodes)
        api.create("/apis/apps/v1/namespaces/default/deployments", workload())
        api.create("/apis/policy/v1/namespaces/default/poddisruptionbudgets", budget())
        (fleet.home / "fleet.yaml").write_text(POLICY.format(releases='      - {version: "1.0"}'))
        fleet.run("cluster", "add", "shop", "--kubeconfig", str(lab.kubeconfig), "--site", "fra")
        fleet.run("cluster", "install", "shop", "--image", agent.IMAGE)
        wait(lambda: reported(api) == len(NAMES), lambda: json.dumps(api.get(AGENTS))[-6000:])
        wait(lambda: len(found.ready_pods()) == REPLICAS, lambda: api.get(PODS))
        for host in found.hosts:
            host.wait_until_good()
        yield found
    finally:
        lab.down()


def test_the_agents_upgrade_their_hosts_and_the_client_sees_no_error(bed: Bed) -> None:
    bed.offer("1.0", "1.1")
    boots, agents = bed.boots(), bed.ready_pods(AGENTS)
    kubelets, runtimes = bed.started("kubelet"), bed.started("containerd")
    with Client(bed.kubeconfig, PODS).calling() as client:
        bed.roll("1.1")
        wait(lambda: len(bed.ready_pods()) == REPLICAS, lambda: bed.api.get(PODS))
    assert not client.errors
    assert client.answers > 50
    assert client.fewest >= REPLICAS - 1
    assert [host.version() for host in bed.hosts] == ["1.1"] * len(NAMES)
    assert [host.booted() for host in bed.hosts] == [bed.machines.commits()["1.1"]] * len(NAMES)
    after = bed.boots()
    assert all(after[name] != boots[name] for name in NAMES)
    for name, status in bed.nodes().items():
        assert (status["nodeInfo"]["bootID"], status["nodeInfo"]["osImage"]) == (
            after[name],
            "Fleet Lab OS 1.1",
        )
    assert all(bed.started("kubelet")[name] != kubelets[name] for name in NAMES)
    assert all(bed.started("containerd")[name] != runtimes[name] for name in NAMES)
    wait(lambda: len(bed.ready_pods(AGENTS)) == len(NAMES), lambda: bed.api.get(AGENTS))
    for name, pod in bed.ready_pods(AGENTS).items():
        (before,), (now,) = (each["status"]["containerStatuses"] for each in (agents[name], pod))
        assert now["containerID"] != before["containerID"], "the agent went down with its host"
    runs = bed.fleet.json("report", "r-1")["runs"]
    assert {run["node"]: (run["step"], run["proof"]["boot_id_after"]) for run in runs} == {
        name: ("done", after[name]) for name in NAMES
    }
    assert_left_clean(bed.api)
    bed.fleet.run("audit", "verify")


def test_a_release_whose_kubelet_does_not_start_is_rolled_back_and_halts_the_rollout(bed: Bed) -> None:
    bed.offer("1.0", "1.1", BROKEN)
    boots = bed.boots()
    with Client(bed.kubeconfig, PODS).calling() as client:
        bed.roll(BROKEN, code=1)
    assert not client.errors
    status = bed.fleet.json("rollout", "status", "r-2")
    assert status["state"] == "halted"
    assert f"booted 1.1 instead of {BROKEN}: rolled back" in json.dumps(status)
    after = bed.boots()
    touched = [name for name in NAMES if after[name] != boots[name]]
    assert len(touched) == 1, "the rest is as it was"
    assert [host.version() for host in bed.hosts] == ["1.1"] * len(NAMES)
    log = bed.machines.log(touched[0]).read_text(errors="replace")
    assert log.count(f"booting {bed.machines.commits()[BROKEN]}") == 2, "both tries were taken"
    assert "rolled back" in bed.fleet.run("report", "r-2")
    bed.fleet.run("rollout", "abort", "r-2")
    bed.fleet.run("rollout", "release", touched[0])
    wait(lambda: len(bed.ready_nodes()) == len(NAMES), bed.nodes)
    wait(lambda: len(bed.ready_pods()) == REPLICAS, lambda: bed.api.get(PODS))
