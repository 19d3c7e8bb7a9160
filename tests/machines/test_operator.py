"""The controller as two pods of a cluster of six real hosts, on PostgreSQL, installed with the Helm chart: it upgrades all
hosts, its own and the control plane among them, and nobody does anything but apply the policy; then its leader's host loses
power in the middle of a rollout."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fleet.lab.machines.stacked import Stacked
from tests.etcd.raft_timeline import judged
from tests.machines.client import Client
from tests.machines.host import powered
from tests.machines.in_cluster import InCluster, installed
from tests.machines.leaders import LEASE, Leaders
from tests.machines.stack import MEMBERS, WORKERS
from tests.machines.two_hosts import boots
from tests.machines.voting_checks import GAP
from tests.machines.workload import PODS, REPLICAS, wait

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
    with (
        each_rebooted_once(cluster),
        voters.watched(),
        writer.at_work(),
        reader.reading(),
        leaders.watched(),
        client.calling(),
    ):
        cluster.publish("1.0", "1.1")
        cluster.wait_until_complete("1.1")
        wait(lambda: len(testbed.ready_pods()) == REPLICAS, lambda: testbed.api.get(PODS))
    print(f"etcd: {len(writer.times)} writes, longest gap {writer.gap:.2f} s; {voters.timeline}")
    print(f"API: {reader.answers} answers, longest gap {reader.gap:.2f} s; {reader.errors}")
    print(f"leaders: {leaders.changes}; taken over after {leaders.takeovers} s")
    assert leaders.takeovers, "the leader has given the lead back before its node went"
    assert not client.errors
    assert client.fewest >= REPLICAS - 1
    assert judged(MEMBERS, voters.timeline) == [], voters.timeline
    assert sorted(voters.order) == sorted(MEMBERS), "each went once"
    assert writer.gap < GAP
    assert reader.gap < GAP, reader.errors
    cluster.all_is_done("1.1")


def test_leaders_host_loses_power_in_mid_rollout(cluster: InCluster) -> None:
    testbed, machines = cluster.testbed, cluster.stack.machines
    leaders, found = Leaders(testbed.kubeconfig), list[str]()
    before = {host.name: boots(host) for host in testbed.hosts}

    def leads_while_others_are_in_work() -> bool:
        found[:] = [cluster.leaders_node()]
        work = cluster.in_work()
        return bool(found[0] and work and found[0] not in work)

    with leaders.watched():
        cluster.publish("1.0", "1.1", "1.2")
        wait(leads_while_others_are_in_work, cluster.in_work)
        (victim,), holder = found, leaders.changes[-1][1]
        # With the network first: a host without power tells nobody that its connections have ended.
        machines.cut_network(victim)
        machines.cut_power(victim)
        cut = time.monotonic()
        wait(lambda: leaders.changes[-1][1] not in ("", holder), lambda: testbed.api.get(LEASE))
        taken = leaders.changes[-1][0] - cut
        machines.power_on(victim)
        machines.restore_network(victim)
        cluster.wait_until_complete("1.2")
    print(f"the host of the leader, {victim}, lost power: another led after {taken:.1f} s; {leaders.changes}")
    after = {host.name: boots(host) - before[host.name] for host in testbed.hosts}
    assert after == {name: 2 if name == victim else 1 for name in testbed.names}, "nothing twice"
    cluster.all_is_done("1.2")


@contextmanager
def each_rebooted_once(cluster: InCluster) -> Iterator[None]:
    before = {host.name: boots(host) for host in cluster.testbed.hosts}
    yield
    assert {host.name: boots(host) - before[host.name] for host in cluster.testbed.hosts} == dict.fromkeys(
        before, 1
    )
