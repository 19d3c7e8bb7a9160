"""The controller as pods of a cluster of six real hosts, installed with the Helm chart: first with the chart's defaults, as
one pod on a volume of its node, then as two on PostgreSQL. It upgrades all hosts, its own and the control plane among them,
and nobody does anything but apply the policy; then its leader's host loses power in the middle of a rollout."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.etcd.raft_timeline import judged
from tests.machines.client import Client
from tests.machines.in_cluster import CONTROLLERS, InCluster, on_postgres, with_defaults
from tests.machines.leaders import LEASE, Leaders
from tests.machines.stack import MEMBERS, WORKERS, Stack, bare_stack_in
from tests.machines.two_hosts import boots
from tests.machines.voting_checks import GAP
from tests.machines.workload import PODS, REPLICAS, wait

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def stack(may_run_machines: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with bare_stack_in(tmp_path_factory.mktemp("operator")) as found:
        yield found


def test_chart_with_its_defaults_upgrades_every_node_with_the_controller_on_one_of_them(stack: Stack) -> None:
    own = WORKERS[0]
    with with_defaults(stack, own, "1.0") as cluster:
        assert {pod["spec"]["nodeName"] for pod in cluster.controllers().values()} == {own}
        with all_upgraded(cluster):
            cluster.publish("1.0", "1.1")
            cluster.wait_until_complete("1.1")
        (pod,) = cluster.read(CONTROLLERS)["items"]
        assert pod["status"]["containerStatuses"][0]["restartCount"] >= 1, "it went down with its node"
        cluster.all_is_done("1.1")


@pytest.fixture(scope="module")
def cluster(stack: Stack) -> Iterator[InCluster]:
    with on_postgres(stack, "1.0", "1.1") as found:
        yield found


def test_controllers_in_the_cluster_upgrade_their_own_nodes_and_the_control_plane(cluster: InCluster) -> None:
    leaders = Leaders(cluster.testbed.kubeconfig)
    with all_upgraded(cluster), leaders.watched():
        cluster.publish("1.0", "1.1", "1.2")
        cluster.wait_until_complete("1.2")
    print(f"leaders: {leaders.changes}; taken over after {leaders.takeovers} s")
    assert leaders.takeovers, "the leader has given the lead back before its node went"
    cluster.all_is_done("1.2")


def test_leaders_host_loses_power_in_mid_rollout(cluster: InCluster) -> None:
    testbed, machines = cluster.testbed, cluster.stack.machines
    leaders, found = Leaders(testbed.kubeconfig), list[str]()
    before = {host.name: boots(host) for host in testbed.hosts}

    def leads_while_others_are_in_work() -> bool:
        found[:] = [cluster.leaders_node()]
        work = cluster.in_work()
        return bool(found[0] and work and found[0] not in work)

    with leaders.watched():
        cluster.publish("1.0", "1.1", "1.2", "1.4")
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
        cluster.wait_until_complete("1.4")
    print(f"the host of the leader, {victim}, lost power: another led after {taken:.1f} s; {leaders.changes}")
    after = {host.name: boots(host) - before[host.name] for host in testbed.hosts}
    assert after == {name: 2 if name == victim else 1 for name in testbed.names}, "nothing twice"
    cluster.all_is_done("1.4")


@contextmanager
def all_upgraded(cluster: InCluster) -> Iterator[None]:
    """Asserts that every host was rebooted once meanwhile, and that neither etcd, nor the API, nor the workload's client has
    missed anything."""
    stack, testbed = cluster.stack, cluster.testbed
    voters, writer, reader = stack.voters(), stack.writer(), stack.reader()
    client = Client(testbed.kubeconfig, PODS)
    before = {host.name: boots(host) for host in testbed.hosts}
    with voters.watched(), writer.at_work(), reader.reading(), client.calling():
        yield
        wait(lambda: len(testbed.ready_pods()) == REPLICAS, lambda: testbed.api.get(PODS))
    print(f"etcd: {len(writer.times)} writes, longest gap {writer.gap:.2f} s; {voters.timeline}")
    print(f"API: {reader.answers} answers, longest gap {reader.gap:.2f} s; {reader.errors}")
    assert {host.name: boots(host) - before[host.name] for host in testbed.hosts} == dict.fromkeys(before, 1)
    assert not client.errors
    assert client.fewest >= REPLICAS - 1
    assert judged(MEMBERS, voters.timeline) == [], voters.timeline
    assert sorted(voters.order) == sorted(MEMBERS), "each went once"
    assert writer.gap < GAP
    assert reader.gap < GAP, reader.errors
