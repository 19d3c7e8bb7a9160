"""A real node whose agent, a pod, is killed in the middle of a stage and of a reboot, and whose network is cut in the
middle of a drain."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.cluster.rest import Json
from tests.machines.stack import Stack
from tests.machines.two_hosts import boots, started
from tests.machines.workload import AGENTS, Environment, wait

pytestmark = pytest.mark.timeout(900)

VICTIM = "w1"
MACHINE = f"/apis/fleet.internal/v1/machines/{VICTIM}"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{VICTIM}"
SLOW = "/api/v1/namespaces/default/pods?labelSelector=app%3Dslow"
ENDS = 10
"""Seconds that a pod takes to end."""
RENEWED = 10
"""Seconds between two words of a kubelet."""

POOL = f"""\
  - name: unlucky
    selector: {{matchLabels: {{kubernetes.io/hostname: {VICTIM}}}}}
"""


class Victim:
    """As the cluster reports the node."""

    def __init__(self, testbed: Environment) -> None:
        self._bed = testbed

    def work(self, action: str) -> Json:
        """The answer of the victim's agent about this action; empty while there is none."""
        work: Json = self._bed.api.get(MACHINE).get("status", {}).get("work") or {}
        return work if f"/{action}/" in work.get("token", "") else {}

    def agent(self) -> Json:
        """The state of its container: an id, and how often it was started anew."""
        pods = self._bed.api.get(AGENTS)["items"]
        (own,) = [pod for pod in pods if pod["spec"].get("nodeName") == VICTIM]
        (state,) = own["status"]["containerStatuses"]
        return dict(state)

    def kill_agent(self) -> None:
        """Whether that comes in time is to be seen by who calls: a host that goes down kills it, too."""
        ident = self.agent()["containerID"].removeprefix("containerd://")
        self._bed.machines.run(VICTIM, f"ctr --namespace k8s.io task kill --signal SIGKILL {ident}")

    def slow_pods(self) -> list[Json]:
        return [pod for pod in self._bed.api.get(SLOW)["items"] if pod["spec"].get("nodeName") == VICTIM]

    def runs_slow(self) -> bool:
        return any(pod["status"].get("phase") == "Running" for pod in self.slow_pods())

    def leaving(self) -> bool:
        """A pod of it was evicted and is not gone."""
        return any("deletionTimestamp" in pod["metadata"] for pod in self.slow_pods())

    def silent_seconds(self) -> float:
        """Seconds since the last heartbeat of its kubelet."""
        received = datetime.fromisoformat(self._bed.api.get(LEASE)["spec"]["renewTime"])
        return (datetime.now(UTC) - received).total_seconds()  # noqa: TID251 - the kubelet's clock is this one


def slow_to_stop() -> Json:
    """A pod of a ReplicaSet that prefers the victim and takes its time to end."""
    labels = {"app": "slow"}
    container = {
        "name": "slow",
        "image": "lab.fleet.internal/pause:1",
        "imagePullPolicy": "Never",
        "lifecycle": {"preStop": {"sleep": {"seconds": ENDS}}},
    }
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [VICTIM]}]}
    likes = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": term}]}
    spec = {"containers": [container], "affinity": {"nodeAffinity": likes}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "slow"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def test_killed_agent_and_network_partition_only_delay_a_node(stack: Stack) -> None:
    machines, testbed = stack.machines, replace(stack.testbed, control=stack.testbed.control + POOL)
    host = next(each for each in testbed.hosts if each.name == VICTIM)
    victim, before = Victim(testbed), boots(host)
    testbed.offer("1.0", "1.1", "1.2")
    testbed.api.create("/apis/apps/v1/namespaces/default/deployments", slow_to_stop())
    wait(victim.runs_slow, lambda: testbed.api.get(SLOW))
    plan = testbed.fleet.json("plan", "--pool", "unlucky", "--to", "1.2")["plan_id"]
    machines.hold_releases()
    with testbed.fleet.background("rollout", "start", plan, "--foreground") as controller:
        wait(lambda: victim.work("stage"), lambda: testbed.fleet.output)
        staging = victim.work("stage")["token"]
        wait(lambda: started(host, staging) == 1, lambda: "the job does not begin")
        restarts = victim.agent()["restartCount"]
        victim.kill_agent()
        wait(lambda: victim.agent()["restartCount"] == restarts + 1, victim.agent)
        machines.let_releases_go()

        wait(victim.leaving, lambda: testbed.fleet.run("explain", VICTIM))
        machines.cut_network(VICTIM)
        wait(lambda: victim.silent_seconds() > RENEWED + ENDS + 3, victim.silent_seconds)
        assert victim.leaving(), "nobody has told that the pod is gone"
        assert not victim.work("reboot")
        machines.restore_network(VICTIM)

        wait(lambda: victim.work("reboot"), lambda: testbed.fleet.run("explain", VICTIM))
        victim.kill_agent()
        wait(lambda: controller.poll() is not None, lambda: testbed.fleet.run("explain", VICTIM))
        assert controller.returncode == 0, testbed.fleet.output
    assert host.booted() == machines.commits()["1.2"]
    assert started(host, staging) == 1, "the job is found again"
    assert boots(host) == before + 1
