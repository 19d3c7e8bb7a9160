"""The controller as two pods of a cluster of six real hosts, on PostgreSQL, installed with the Helm chart: it upgrades all
hosts, its own and the control plane among them, and nobody does anything but apply the policy; then its leader's host loses
power in the middle of a rollout."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.etcd.raft_timeline import judged
from tests.machines.client import Client
from tests.machines.in_cluster import LEASE, InCluster, installed
from tests.machines.leaders import Leaders
from tests.machines.stack import MEMBERS, WORKERS
from tests.machines.two_hosts import boots
from tests.machines.voting_checks import GAP
from tests.machines.workload import PODS, REPLICAS, wait

from fleet.lab.machines import LabMachines
from fleet.lab.machines.stacked import Stacked
from tests.machines.host import powered

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def cluster(may_run_machines: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InCluster]:
    folder = tmp_path_factory.mktemp("operator")
    with powered(folder / "m", (*MEMBERS, *WORKERS)) as machines:
        control = Stacked.up(folder / "lab", machines, MEMBERS, tied=True, progress=print)
        try:
            with installed(machines, control, folder / "home", "1.0") as found:
                yield found
        finally:
            control.down()


def test_controller_in_the_cluster_upgrades_its_own_nodes_and_the_control_plane(cluster: InCluster) -> None:
    stack, testbed = cluster.stack, cluster.testbed
    voters, writer, reader = stack.voters(), stack.writer(), stack.reader()
    leaders, client = Leaders(testbed.kubeconfig), Client(testbed.kubeconfig, PODS)
    with each_rebooted_once(cluster), voters.watched(), writer.at_work(), reader.reading(), leaders.watched():
        with client.calling():
            cluster.publish("1.0", "1.1")
            cluster.wait_until_all_run("1.1")
            wait(lambda: len(testbed.ready_pods()) == REPLICAS, lambda: testbed.api.get(PODS))
    print(f"etcd: {len(writer.times)} writes, longest gap {writer.gap:.2f} s; {voters.timeline}")
    print(f"API: {reader.answers} answers, longest gap {reader.gap:.2f} s; {reader.errors}")
    print(f"leaders: {leaders.changes}; taken over after {leaders.takeovers} s")
    assert not client.errors
    assert client.fewest >= REPLICAS - 1
    assert judged(MEMBERS, voters.timeline) == [], voters.timeline
    assert sorted(voters.order) == sorted(MEMBERS), "each went once"
    assert writer.gap < GAP
    assert reader.gap < GAP, reader.errors
    cluster.all_is_done("1.1")


def test_leaders_host_loses_power_in_mid_rollout(cluster: InCluster) -> None:
    testbed, machines = cluster.testbed, cluster.stack.machines
    leaders, client = Leaders(testbed.kubeconfig), Client(testbed.kubeconfig, PODS)
    before = {host.name: boots(host) for host in testbed.hosts}
    with leaders.watched():
        cluster.publish("1.0", "1.1", "1.2")
        wait(lambda: cluster.in_work() - {cluster.leaders_node(), ""}, cluster.in_work)
        victim = cluster.leaders_node()
        wait(lambda: (found := cluster.leaders_node()) and cluster.in_work() - {found}, cluster.in_work)
        holder = leaders.changes[-1][1]
        machines.cut_network(victim)
        machines.cut_power(victim)
        cut = time.monotonic()
        wait(lambda: leaders.changes[-1][1] not in ("", holder), lambda: testbed.api.get(LEASE))
        taken = leaders.changes[-1][0] - cut
        machines.power_on(victim)
        machines.restore_network(victim)
        cluster.wait_until_all_run("1.2")
    print(f"leader's host {victim} lost power: taken over after {taken:.1f} s; {leaders.changes}")
    after = {host.name: boots(host) for host in testbed.hosts}
    assert {name: after[name] - before[name] for name in after} == {
        name: 2 if name == victim else 1 for name in after
    }, "nothing twice: a reboot each, and the one after the loss of power"
    cluster.all_is_done("1.2")


@contextmanager
def each_rebooted_once(cluster: InCluster) -> Iterator[None]:
    before = {host.name: boots(host) for host in cluster.testbed.hosts}
    yield
    assert {host.name: boots(host) - before[host.name] for host in cluster.testbed.hosts} == dict.fromkeys(before, 1)
