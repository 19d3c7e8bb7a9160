"""A control plane of three hosts, each with an etcd member and an API server, is rolled over together with its workers:
fleet itself works through the API servers that it takes away, by way of a load balancer as users have it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleet.core.quorum.groups import EtcdAccess, QuorumGroup
from fleet.core.quorum.quorum import Quorum, QuorumRule, healthy
from fleet.etcd.etcd import Etcd
from fleet.lab import Lab
from tests.background import repeated
from tests.cluster.journal import assert_told_once, entries
from tests.cluster.observer import NodeLimits, Observer
from tests.cluster.planned import POLICY, THINGS
from tests.cluster.rest import Cluster, Json
from tests.cluster.rolling import NEW, active, assert_left_clean, assert_proven, begun_fleet, upgraded, wait
from tests.etcd.raft_timeline import Moment, judged

HOSTS, WORKERS = 3, 6
PATIENCE = 30.0
"""Of the test's own readings: an API server may go while it answers."""


class Power:
    """A host's API server and etcd member go down with its node, and start when it is back."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._cluster = Cluster(lab.kubeconfig, PATIENCE)
        self._hosts = {lab.member(host): host for host in range(HOSTS)}
        self._starts: dict[str, Future[None]] = {}
        self._down: set[str] = set()
        self.timeline: list[Moment] = []

    @property
    def order(self) -> list[str]:
        return [each.member for each in self.timeline if each.what == "down"]

    @contextmanager
    def on(self) -> Iterator[None]:
        """Raises what went wrong with it at the end."""
        with ThreadPoolExecutor(HOSTS) as pool:
            with repeated(lambda: self._look(pool), 0.05):
                yield
            for start in self._starts.values():
                start.result()

    def _look(self, pool: ThreadPoolExecutor) -> None:
        for node in self._cluster.get("/api/v1/nodes?labelSelector=fleet.internal/pool%3Dcontrol")["items"]:
            name = node["metadata"]["name"]
            if is_up(node) and name in self._down:
                self._down.discard(name)
                self._starts[name] = pool.submit(self._start, name)
            elif not is_up(node) and name not in self._down:
                self._lab.power_off(self._hosts[name])
                self._down.add(name)
                self.timeline.append(Moment("down", name))

    def _start(self, name: str) -> None:
        def ready(program: str) -> None:
            if program.startswith("etcd"):
                self.timeline.append(Moment("back", name))

        self._lab.power_on(self._hosts[name], ready)


def is_up(node: Json) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])


def show_members(cluster: Cluster, lab: Lab) -> None:
    """Creates a static pod for each member as kubelets and kubeadm do, with the address of its endpoint."""
    for host in range(HOSTS):
        node = cluster.get(f"/api/v1/nodes/{lab.member(host)}")["metadata"]
        owner = {
            "apiVersion": "v1",
            "kind": "Node",
            "name": node["name"],
            "uid": node["uid"],
            "controller": True,
        }
        annotations = {
            "kubernetes.io/config.mirror": "0" * 32,
            "kubeadm.kubernetes.io/etcd.advertise-client-urls": lab.etcd_endpoint_of(host),
        }
        body = {
            "metadata": {
                "name": f"etcd-{node['name']}",
                "labels": {"component": "etcd", "tier": "control-plane"},
                "annotations": annotations,
                "ownerReferences": [owner],
            },
            "spec": {
                "nodeName": node["name"],
                "containers": [{"name": "etcd", "image": "registry.invalid/etcd:1"}],
                "tolerations": [{"operator": "Exists", "effect": "NoExecute"}],
            },
        }
        cluster.create("/api/v1/namespaces/kube-system/pods", body)


def policy(lab: Lab, backup: Path) -> str:
    """No endpoints: they are found. The pool would let all three go at once."""
    issued = lab.certificates
    return f"""{POLICY}\
  - name: control
    selector: {{matchLabels: {{fleet.internal/pool: control}}}}
    limits: {{max_unavailable: {HOSTS}}}
quorums:
  - name: own
    cluster: east
    kind: etcd
    ca: {issued.etcd_authority}
    cert: {issued.etcd_client.certificate}
    key: {issued.etcd_client.key}
    soak: 5s
    snapshot: {{directory: {backup}, keep: 2}}
"""


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("may_start_labs")
def test_rollout_over_three_control_plane_hosts_and_their_workers(tmp_path: Path) -> None:
    home, backup = tmp_path / "home", tmp_path / "backup"
    lab = Lab.up(tmp_path / "lab", tied=True, progress=print, control_planes=HOSTS)
    try:
        begun = begun_fleet(
            lab,
            home,
            HOSTS + WORKERS,
            THINGS,
            policy=policy(lab, backup),
            pools={"control": HOSTS, "workers": WORKERS},
        )
        with begun as (fleet, cluster, _):
            show_members(cluster, lab)
            steady = Cluster(lab.kubeconfig, PATIENCE)
            etcd = Etcd(QuorumGroup("own", "east", access=access(lab)), {})
            readings: list[Quorum] = []

            def well() -> bool:
                readings.append(etcd.read(datetime.now(UTC)))  # noqa: TID251 - of a real etcd
                return len(healthy(readings[-1], QuorumRule())) == HOSTS and readings[-1].leader is not None

            wait(well, lambda: str(readings[-1]))
            leader = readings[-1].leader
            fleet.run("sync")
            plan = fleet.json("plan", "--pool", "control", "--pool", "workers", "--to", NEW)
            assert plan["held"] == []
            power = Power(lab)
            limits = NodeLimits(pools={"control": 1, "workers": 2})
            with Observer(lab.kubeconfig, limits, patience=PATIENCE).watching() as observer, power.on():
                fleet.run("rollout", "start", plan["plan_id"])
                wait(lambda: len(upgraded(steady)) == HOSTS + WORKERS, lambda: fleet.run("rollout", "status"))
                wait(lambda: not active(fleet), lambda: fleet.run("rollout", "status"))
            wait(well, lambda: str(readings[-1]))
            lab.check()
            assert_left_clean(steady)
            assert observer.seen.reboots == {
                node["metadata"]["name"]: 1 for node in steady.get("/api/v1/nodes")["items"]
            }
        names = [lab.member(host) for host in range(HOSTS)]
        assert leader is not None
        assert sorted(power.order) == names and power.order[-1] == leader.name
        assert judged(names, power.timeline) == []
        assert_proven(fleet, "r-1", HOSTS + WORKERS)
        assert_told_once(entries(home, "r-1"))
        reported = [each["record"] for each in json.loads(fleet.run("audit", "export"))["entries"]]
        done = [each["kind"] for each in reported if each["detail"].get("result") == "done"]
        assert (done.count("move-leader"), done.count("snapshot")) == (1, HOSTS)
    finally:
        lab.down(keep_files=True)


def access(lab: Lab) -> EtcdAccess:
    issued = lab.certificates
    return EtcdAccess(
        tuple(lab.etcd_endpoint_of(host) for host in range(HOSTS)),
        str(issued.etcd_authority),
        str(issued.etcd_client.certificate),
        str(issued.etcd_client.key),
    )
