"""A cluster of real hosts with a workload under a budget, and the command `fleet` that looks after it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from fleet.lab.machines import LabMachines, agent
from fleet.lab.machines.images.releases import EDITIONS
from tests.cluster.command import Fleet
from tests.cluster.rest import Cluster, Json
from tests.cluster.rolling import marks, reported
from tests.machines.client import Client, ready
from tests.machines.host import Host

LABELS = {"app": "shop"}
PODS = "/api/v1/namespaces/default/pods?labelSelector=app%3Dshop"
AGENTS = "/api/v1/namespaces/fleet-system/pods"
REPLICAS = 3
KERNELS = {each.version: each.kernel for each in EDITIONS}
POLICY = """\
streams:
  - name: stable
    releases:
{releases}
defaults: {{stream: stable, soak: 1s}}
pools:
{control}  - name: workers
    limits: {{max_unavailable: 1}}
{reach}"""


@dataclass(frozen=True)
class Environment:
    machines: LabMachines
    fleet: Fleet
    kubeconfig: Path
    api: Cluster
    hosts: tuple[Host, ...]
    more: str = ""
    """Of the policy, after its pools."""
    control: str = ""
    """Of the policy: the pool of the control plane, where there is one."""
    reach: str = ""
    """How both pools are reached; empty: by agents."""

    @property
    def names(self) -> list[str]:
        return [host.name for host in self.hosts]

    def write(self, *versions: str) -> None:
        """The policy with these releases."""
        found = self.machines.commits()
        lines = [f'      - {{version: "{each}", digest: "sha256:{found[each]}"}}' for each in versions]
        reach = f"    reach: {self.reach}\n" if self.reach else ""
        control = self.control and self.control + reach
        policy = POLICY.format(releases="\n".join(lines), control=control, reach=reach)
        (self.fleet.home / "fleet.yaml").write_text(policy + self.more)

    def offer(self, *versions: str) -> None:
        self.write(*versions)
        self.fleet.run("sync")

    def roll(self, version: str, code: int = 0) -> None:
        """To its end, whatever that is."""
        pools = ["--pool", "control"] if self.control else []
        plan = self.fleet.json("plan", *pools, "--pool", "workers", "--to", version)["plan_id"]
        self.fleet.run("rollout", "start", plan, "--watch", code=code, seconds=1200)

    def nodes(self) -> dict[str, Json]:
        found = self.api.get("/api/v1/nodes")["items"]
        return {node["metadata"]["name"]: node["status"] for node in found}

    def seen(self) -> dict[str, tuple[str, str]]:
        """Boot id and operating system, as each Node reports them."""
        results = {name: status["nodeInfo"] for name, status in self.nodes().items()}
        return {name: (info["bootID"], info["osImage"]) for name, info in results.items()}

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

    def marked(self) -> dict[str, list[str]]:
        """What of fleet's is on nodes."""
        found = self.api.get("/api/v1/nodes")["items"]
        return {node["metadata"]["name"]: marks(node) for node in found if marks(node)}

    def boots(self) -> dict[str, str]:
        return {host.name: host.boot_id() for host in self.hosts}

    def started(self, unit: str) -> dict[str, str]:
        """When it was started, on each host; with the boot id, since the time is relative to the boot."""
        message = (
            f"systemctl show -p ActiveEnterTimestamp -p MainPID {unit}; cat /proc/sys/kernel/random/boot_id"
        )
        return {host.name: host.run(message) for host in self.hosts}


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


def with_workload(
    machines: LabMachines, kubeconfig: Path, home: Path, more: str = "", control: str = ""
) -> Environment:
    """Installs the workload, and returns when it is there. `more`, `control`: of the policy."""
    hosts = tuple(Host(machines, each.name) for each in machines.all)
    api = Cluster(kubeconfig, patience=60)
    found = Environment(machines, Fleet(home), kubeconfig, api, hosts, more, control)
    wait(lambda: len(found.ready_nodes()) == len(hosts), found.nodes)
    api.create("/apis/apps/v1/namespaces/default/deployments", workload())
    api.create("/apis/policy/v1/namespaces/default/poddisruptionbudgets", budget())
    wait(lambda: len(found.ready_pods()) == REPLICAS, lambda: api.get(PODS))
    return found


def begin(
    machines: LabMachines, kubeconfig: Path, home: Path, more: str = "", control: str = ""
) -> Environment:
    """Installs the workload and fleet, and returns when every agent has spoken. `more`, `control`: of the policy."""
    found = with_workload(machines, kubeconfig, home, more, control)
    fleet, api = found.fleet, found.api
    found.write("1.0")
    fleet.run("cluster", "add", "shop", "--kubeconfig", str(kubeconfig), "--site", "fra")
    fleet.run("cluster", "install", "shop", "--image", agent.IMAGE)
    wait(lambda: reported(api) == len(found.hosts), lambda: json.dumps(api.get(AGENTS))[-6000:])
    for host in found.hosts:
        host.wait_until_good()
    return found


def upgrade_by_agents(testbed: Environment, version: str) -> None:
    """As `upgrade`, and each agent went down with its host."""
    agents = testbed.ready_pods(AGENTS)
    upgrade(testbed, version)
    wait(lambda: len(testbed.ready_pods(AGENTS)) == len(testbed.names), lambda: testbed.api.get(AGENTS))
    for name, pod in testbed.ready_pods(AGENTS).items():
        (before,), (now,) = (each["status"]["containerStatuses"] for each in (agents[name], pod))
        assert now["containerID"] != before["containerID"], "the agent went down with its host"


def upgrade(testbed: Environment, version: str) -> None:
    """Rolls every node that does not run it to this release, and judges by the hosts, by the cluster, by the client and by
    the report."""
    going = {host.name for host in testbed.hosts if host.version() != version}
    assert going
    boots = testbed.boots()
    kubelets, runtimes = testbed.started("kubelet"), testbed.started("containerd")
    with Client(testbed.kubeconfig, PODS).calling() as client:
        testbed.roll(version)
        wait(lambda: len(testbed.ready_pods()) == REPLICAS, lambda: testbed.api.get(PODS))
    assert not client.errors
    assert client.answers > 50
    assert client.fewest >= REPLICAS - 1
    assert [host.version() for host in testbed.hosts] == [version] * len(testbed.names)
    assert [host.booted() for host in testbed.hosts] == [testbed.machines.commits()[version]] * len(
        testbed.names
    )
    assert [host.kernel() for host in testbed.hosts] == [KERNELS[version]] * len(testbed.names)
    after = testbed.boots()
    assert {name for name in testbed.names if after[name] != boots[name]} == going
    wait(
        lambda: testbed.seen() == {name: (after[name], f"Fleet Lab OS {version}") for name in testbed.names},
        testbed.seen,
    )
    for unit, before in (("kubelet", kubelets), ("containerd", runtimes)):
        now = testbed.started(unit)
        assert {name for name in testbed.names if now[name] != before[name]} == going, unit
    runs = testbed.fleet.json("report")["runs"]
    assert {run["node"]: (run["step"], run["proof"]["boot_id_after"]) for run in runs} == {
        name: ("done", after[name]) for name in going
    }
    assert not testbed.marked()
    testbed.fleet.run("audit", "verify")


def from_afar(testbed: Environment, home: Path, way: str) -> Environment:
    """The same without agents: the controller of this home reaches the nodes as ssh would. `way`: ssh or playbook."""
    config = home / ".ssh" / "config"
    config.parent.mkdir(parents=True)
    config.write_text(testbed.machines.ssh_config.read_text())
    for name in testbed.names:
        testbed.api.patch(f"/api/v1/nodes/{name}", {"metadata": {"labels": {"fleet.internal/reach": way}}})
    wait(lambda: not testbed.api.get(AGENTS)["items"], lambda: testbed.api.get(AGENTS))
    return replace(testbed, fleet=Fleet(testbed.fleet.home, {"HOME": str(home)}), reach=way)
