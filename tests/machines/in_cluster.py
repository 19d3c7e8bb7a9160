"""Fleet as pods of the cluster whose hosts it upgrades: installed with the Helm chart, with its defaults, or on a PostgreSQL
beside the hosts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from fleet.lab.machines import LabMachines, agent
from fleet.lab.machines.stacked import ROLE
from tests.chart.render import render
from tests.cluster.rest import Json
from tests.cluster.rolling import reported
from tests.kubectl.programs import built
from tests.machines.client import ready
from tests.machines.database import database
from tests.machines.leaders import LEASE
from tests.machines.stack import Stack
from tests.machines.workload import Environment, wait

CONTROLLERS = "/api/v1/namespaces/fleet-system/pods?labelSelector=app.kubernetes.io%2Fname%3Dfleet-controller"
REPLICAS_OF_CONTROLLER = 2
POOLS = 2
COMPLETE = "Complete"
POLICY = f"""\
apiVersion: fleet.internal/v1
kind: UpgradePolicy
metadata: {{name: control}}
spec:
  order: 10
  stream: stable
  selector: {{matchExpressions: [{{key: {ROLE}, operator: Exists}}]}}
  # As far as this goes, all at once.
  limits: {{maxUnavailable: 3}}
  soak: 1s
  upgrade: {{mode: auto}}
---
apiVersion: fleet.internal/v1
kind: UpgradePolicy
metadata: {{name: workers}}
spec:
  order: 20
  stream: stable
  limits: {{maxUnavailable: 1}}
  soak: 1s
  upgrade: {{mode: auto}}
---
# Asked by the readiness of its static pods: the controller has no certificate of etcd.
apiVersion: fleet.internal/v1
kind: QuorumGroup
metadata: {{name: etcd}}
spec: {{cluster: local, kind: etcd, soak: 1s}}
---
apiVersion: fleet.internal/v1
kind: QuorumGroup
metadata: {{name: api}}
spec:
  cluster: local
  kind: pods
  namespace: kube-system
  selector: {{matchLabels: {{component: kube-apiserver}}}}
  voters: 3
  soak: 1s
"""


@dataclass(frozen=True)
class InCluster:
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
        """Applies the document as GitOps does."""
        self.kube("apply", "--server-side", "-f", "-", document=document)

    def publish(self, *versions: str) -> None:
        """The stream has these releases from now on."""
        self.apply(json.dumps(stream(self.stack.machines, versions)))

    def controllers(self) -> dict[str, Json]:
        """The ready pods of the controller, by name."""
        return {pod["metadata"]["name"]: pod for pod in self.read(CONTROLLERS)["items"] if ready(pod)}

    def read(self, path: str) -> Json:
        """Reads as `Cluster.get` does, again while an API server goes down or comes up."""
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

    def ask(self, *arguments: str) -> str:
        """Returns what a command of fleet prints in a pod of the controller."""
        return self.kube(
            "exec", "--namespace=fleet-system", "deployment/fleet-controller", "--", "fleet", *arguments
        )

    def rollouts(self, version: str) -> dict[str, Json]:
        """The objects of the rollouts to this version, by name."""
        found = self.read("/apis/fleet.internal/v1/rollouts")["items"]
        return {
            each["metadata"]["name"]: each
            for each in found
            if each.get("status", {}).get("version") == version
        }

    def wait_until_complete(self, version: str) -> None:
        """Waits until every pool's rollout has the condition Complete."""

        def complete() -> bool:
            found = self.rollouts(version).values()
            return len(found) == POOLS and all(is_true(each, COMPLETE) for each in found)

        wait(complete, lambda: self.kube("get", "rollouts,upgradepolicies", "-o", "wide"), 600)

    def all_is_done(self, version: str) -> None:
        """Asserts it of the hosts, the nodes and the journal."""
        testbed = self.testbed
        assert [host.version() for host in testbed.hosts] == [version] * len(testbed.names)
        boots = testbed.boots()
        wanted = {name: (boots[name], f"Fleet Lab OS {version}") for name in testbed.names}
        wait(lambda: testbed.seen() == wanted, testbed.seen)
        assert not testbed.marked()
        assert not self.in_work()
        rollouts = [
            each["rollout"]
            for each in json.loads(self.ask("rollout", "list", "-o", "json"))
            if each["version"] == version
        ]
        runs = [
            run for each in rollouts for run in json.loads(self.ask("report", each, "-o", "json"))["runs"]
        ]
        assert {run["node"]: (run["step"], run["proof"]["boot_id_after"]) for run in runs} == {
            name: ("done", boots[name]) for name in testbed.names
        }
        self.ask("audit", "verify")


def needed(server: str) -> Json:
    """Returns the values without which the chart cannot work here: the image, and no kube-proxy."""
    address = urlsplit(server)
    repository, _, tag = agent.IMAGE.rpartition(":")
    return {
        "image": {"repository": repository, "tag": tag},
        "apiServer": {"host": address.hostname, "port": address.port},
    }


NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fleet-system"}}
VOLUME = "/var/lib/fleet-volume"


def local_volume(node: str) -> Json:
    """A volume of the default size that only this node can use, of no storage class: there is no default one."""
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "fleet-home"},
        "spec": {
            "capacity": {"storage": "5Gi"},
            "accessModes": ["ReadWriteOnce"],
            "local": {"path": VOLUME},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }


def secret(url: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "fleet-database", "namespace": "fleet-system"},
        "stringData": {"url": url},
    }


def stream(machines: LabMachines, versions: tuple[str, ...]) -> Json:
    found = machines.commits()
    return {
        "apiVersion": "fleet.internal/v1",
        "kind": "ReleaseStream",
        "metadata": {"name": "stable"},
        "spec": {"releases": [{"version": each, "digest": f"sha256:{found[each]}"} for each in versions]},
    }


def is_true(found: Json, condition: str) -> bool:
    conditions = found.get("status", {}).get("conditions", [])
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)


@contextmanager
def with_defaults(stack: Stack, node: str, *versions: str) -> Iterator[InCluster]:
    """One controller on SQLite, on a local volume of that node, which an administrator of the cluster has made."""
    found = InCluster(stack, built())
    host = next(host for host in stack.testbed.hosts if host.name == node)
    host.run(f"mkdir -p {VOLUME}")
    found.apply(json.dumps(local_volume(node)))
    with _installed(found, {}, 1, versions):
        yield found
    found.kube("delete", "persistentvolume", "fleet-home")


@contextmanager
def on_postgres(stack: Stack, *versions: str) -> Iterator[InCluster]:
    """Two controllers on one PostgreSQL."""
    found = InCluster(stack, built())
    with database(stack.machines.gateway) as url:
        found.apply(json.dumps(NAMESPACE))
        found.apply(json.dumps(secret(url)))
        chosen = {"replicas": REPLICAS_OF_CONTROLLER, "database": {"secret": "fleet-database"}}
        with _installed(found, {"controller": chosen}, REPLICAS_OF_CONTROLLER, versions):
            yield found


@contextmanager
def _installed(found: InCluster, chosen: Json, controllers: int, versions: tuple[str, ...]) -> Iterator[None]:
    """Returns when all controllers are Ready and every agent has reported. Takes the controller away at the end, with its
    Lease and its rollouts."""
    stack, api = found.stack, found.testbed.api
    found.apply(render({**needed(stack.control.server), **chosen}))
    found.publish(*versions)
    found.apply(POLICY)
    wait(lambda: len(found.controllers()) == controllers, lambda: found.read(CONTROLLERS))
    wait(
        lambda: reported(api) == len(found.testbed.hosts),
        lambda: api.get("/api/v1/namespaces/fleet-agents/pods"),
    )
    for host in found.testbed.hosts:
        host.wait_until_good()
    yield
    found.kube("delete", "namespace", "fleet-system", "--timeout=100s")
    found.kube("delete", "rollouts", "--all")
