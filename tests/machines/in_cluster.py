"""Fleet as pods of the cluster whose hosts it upgrades: installed with the Helm chart, on a PostgreSQL beside the hosts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from fleet.lab.machines import LabMachines, agent
from fleet.lab.machines.stacked import ROLE, Stacked
from tests.chart.render import render
from tests.cluster.command import Fleet
from tests.cluster.rest import Cluster, Json
from tests.cluster.rolling import reported
from tests.kubectl.programs import built
from tests.machines.client import ready
from tests.machines.database import database
from tests.machines.host import Host
from tests.machines.stack import Stack
from tests.machines.workload import PODS, REPLICAS, Environment, budget, wait, workload

CONTROLLERS = "/api/v1/namespaces/fleet-system/pods?labelSelector=app.kubernetes.io%2Fname%3Dfleet-controller"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/fleet-system/leases/fleet-controller"
REPLICAS_OF_CONTROLLER = 2
POOLS = 2
CONTROL_POOL = f"""\
  - name: control
    selector: {{matchExpressions: [{{key: {ROLE}, operator: Exists}}]}}
    limits: {{max_unavailable: 3}}
    upgrade: {{mode: auto}}
"""
POLICY = f"""\
streams:
  - name: stable
    releases:
{{releases}}
defaults: {{{{stream: stable, soak: 1s}}}}
pools:
{CONTROL_POOL.replace("{", "{{").replace("}", "}}")}\
  - name: workers
    limits: {{{{max_unavailable: 1}}}}
    upgrade: {{{{mode: auto}}}}
quorums:
  # Asked by the readiness of its static pods: the controller has no certificate of etcd.
  - {{{{name: etcd, cluster: local, kind: etcd, soak: 1s}}}}
  - name: api
    cluster: local
    kind: pods
    namespace: kube-system
    selector: {{{{matchLabels: {{{{component: kube-apiserver}}}}}}}}
    voters: 3
    soak: 1s
"""


@dataclass(frozen=True)
class InCluster:
    """`testbed.fleet` reads the same database from outside, and changes nothing."""

    stack: Stack
    kubectl: Path

    @property
    def testbed(self) -> Environment:
        return self.stack.testbed

    def kube(self, *arguments: str, document: str = "") -> str:
        """Returns what kubectl printed. Fails with its error where it fails."""
        done = subprocess.run(
            [self.kubectl, f"--kubeconfig={self.testbed.kubeconfig}", *arguments],
            input=document,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def apply(self, document: str) -> None:
        """As GitOps does."""
        self.kube("apply", "--server-side", "-f", "-", document=document)

    def publish(self, *versions: str) -> None:
        """The stream has these releases from now on: the policy is applied anew, and the controllers restarted, since
        a mounted file does not change while they run."""
        self.apply(json.dumps(policy(self.stack.machines, versions)))
        self.kube("--namespace=fleet-system", "rollout", "restart", "deployment/fleet-controller")

    def controllers(self) -> dict[str, Json]:
        """The ready pods of the controller, by name."""
        return {pod["metadata"]["name"]: pod for pod in self.read(CONTROLLERS)["items"] if ready(pod)}

    def read(self, path: str) -> Json:
        """As `Cluster.get`, again while an API server goes down or comes up."""
        answers: list[tuple[int, Json]] = []

        def answered() -> bool:
            answers.append(self.testbed.api.call("GET", path))
            return answers[-1][0] == 200

        wait(answered, lambda: answers[-1])
        return answers[-1][1]

    def leaders_node(self) -> str:
        """The node of the pod that leads; empty: none, or one that is gone."""
        holder = str(self.read(LEASE)["spec"].get("holderIdentity") or "")
        found = [pod["spec"]["nodeName"] for name, pod in self.controllers().items() if name in holder]
        return found[0] if found else ""

    def in_work(self) -> set[str]:
        """The nodes that are cordoned."""
        nodes = self.read("/api/v1/nodes")["items"]
        return {node["metadata"]["name"] for node in nodes if node["spec"].get("unschedulable")}

    def wait_until_all_run(self, version: str) -> None:
        """Until every rollout has ended and every node is given back."""
        fleet = self.testbed.fleet

        def ended() -> bool:
            rollouts = [each for each in fleet.json("rollout", "list") if each["version"] == version]
            return len(rollouts) == POOLS and all(each["state"] == "finished" for each in rollouts)

        wait(ended, lambda: fleet.run("rollout", "list"), 600)

    def all_is_done(self, version: str) -> None:
        """As the hosts, the nodes and the journal have it."""
        testbed = self.testbed
        assert [host.version() for host in testbed.hosts] == [version] * len(testbed.names)
        boots = testbed.boots()
        wanted = {name: (boots[name], f"Fleet Lab OS {version}") for name in testbed.names}
        wait(lambda: testbed.seen() == wanted, testbed.seen)
        assert not testbed.marked()
        assert not self.in_work()
        rollouts = [
            each["rollout"] for each in testbed.fleet.json("rollout", "list") if each["version"] == version
        ]
        runs = [run for each in rollouts for run in testbed.fleet.json("report", each)["runs"]]
        assert {run["node"]: (run["step"], run["proof"]["boot_id_after"]) for run in runs} == {
            name: ("done", boots[name]) for name in testbed.names
        }
        testbed.fleet.run("audit", "verify")


def values(image: str, server: str) -> Json:
    """Of the chart, where they are not its defaults: where the image is, no kube-proxy, two replicas on one database."""
    address = urlsplit(server)
    repository, _, tag = image.rpartition(":")
    return {
        "image": {"repository": repository, "tag": tag},
        "apiServer": {"host": address.hostname, "port": address.port},
        "controller": {
            "replicas": REPLICAS_OF_CONTROLLER,
            "database": {"secret": "fleet-database"},
            "policyConfigMap": "fleet-policy",
        },
    }


def secret(url: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "fleet-database", "namespace": "fleet-system"},
        "stringData": {"url": url},
    }


def policy(machines: LabMachines, versions: tuple[str, ...]) -> Json:
    found = machines.commits()
    lines = [f'      - {{version: "{each}", digest: "sha256:{found[each]}"}}' for each in versions]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "fleet-policy", "namespace": "fleet-system"},
        "data": {"fleet.yaml": POLICY.format(releases="\n".join(lines))},
    }


@contextmanager
def installed(machines: LabMachines, control: Stacked, home: Path, *versions: str) -> Iterator[InCluster]:
    """Returns when both controllers are Ready and every agent has reported."""
    with database(machines.gateway) as url:
        fleet, api = Fleet(home, {"FLEET_DATABASE": url}), Cluster(control.kubeconfig, patience=60)
        hosts = tuple(Host(machines, each.name) for each in machines.all)
        testbed = Environment(machines, fleet, control.kubeconfig, api, hosts)
        found = InCluster(Stack(machines, control, testbed), built())
        wait(lambda: len(testbed.ready_nodes()) == len(hosts), testbed.nodes)
        api.create("/apis/apps/v1/namespaces/default/deployments", workload())
        api.create("/apis/policy/v1/namespaces/default/poddisruptionbudgets", budget())
        found.apply(
            json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fleet-system"}})
        )
        found.apply(json.dumps(secret(url)))
        found.apply(json.dumps(policy(machines, versions)))
        found.apply(render(values(agent.IMAGE, control.server)))
        wait(lambda: len(testbed.ready_pods()) == REPLICAS, lambda: api.get(PODS))
        wait(lambda: len(found.controllers()) == REPLICAS_OF_CONTROLLER, lambda: api.get(CONTROLLERS))
        wait(lambda: reported(api) == len(hosts), lambda: api.get("/api/v1/namespaces/fleet-agents/pods"))
        for host in hosts:
            host.wait_until_good()
        yield found
