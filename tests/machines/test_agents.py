"""Three real hosts, workers of a control plane that does not reboot, are upgraded by their agents under a budget, with a
client that never sees an error; and a release whose kubelet does not start is rolled back and halts the rollout."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from fleet.lab.machines import LabMachines, cluster
from tests.machines.client import Client
from tests.machines.host import powered
from tests.machines.idle import asked_in, resident
from tests.machines.workload import PODS, REPLICAS, Environment, begin, upgrade_by_agents, wait

pytestmark = pytest.mark.timeout(900)

NAMES = ("w1", "w2", "w3")
BROKEN = "1.3"
MEGABYTES = 60
"""The aim; 48 were seen."""
A_MINUTE = 5
"""Requests of each agent that has nothing to do."""


@pytest.fixture(scope="module")
def machines(may_run_machines: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabMachines]:
    with powered(tmp_path_factory.mktemp("machines") / "m", NAMES) as up:
        yield up


@pytest.fixture(scope="module")
def testbed(machines: LabMachines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """A cluster of three nodes with their agents and a workload."""
    lab = cluster.up(tmp_path_factory.mktemp("control-plane") / "lab", machines, tied=True, progress=print)
    try:
        yield begin(machines, lab.kubeconfig, tmp_path_factory.mktemp("home"))
    finally:
        lab.down()


def test_agents_upgrade_their_hosts_without_an_error_for_clients(testbed: Environment) -> None:
    testbed.offer("1.0", "1.1")
    upgrade_by_agents(testbed, "1.1")


def test_idle_agent_uses_little_memory_and_few_requests(testbed: Environment) -> None:
    taken, more = [resident(host) for host in testbed.hosts], asked_in(testbed.api, 60)
    print(f"agents: {[round(each) for each in taken]} MB at most; requests in a minute, of all: {more}")
    assert all(each < MEGABYTES for each in taken)
    assert sum(more.values()) <= A_MINUTE * len(NAMES)


def test_a_release_whose_kubelet_does_not_start_is_rolled_back_and_halts_the_rollout(
    testbed: Environment,
) -> None:
    testbed.offer("1.0", "1.1", BROKEN)
    boots = testbed.boots()
    with Client(testbed.kubeconfig, PODS).calling() as client:
        testbed.roll(BROKEN, code=1)
    assert not client.errors
    status = testbed.fleet.json("rollout", "status", "r-2")
    assert status["state"] == "halted"
    assert f"booted 1.1 instead of {BROKEN}: rolled back" in json.dumps(status)
    after = testbed.boots()
    touched = [name for name in NAMES if after[name] != boots[name]]
    assert len(touched) == 1, "the rest is as it was"
    assert [host.version() for host in testbed.hosts] == ["1.1"] * len(NAMES)
    log = testbed.machines.log(touched[0]).read_text(errors="replace")
    assert log.count(f"booting {testbed.machines.commits()[BROKEN]}") == 2, "both tries were taken"
    assert "rolled back" in testbed.fleet.run("report", "r-2")
    testbed.fleet.run("rollout", "abort", "r-2")
    testbed.fleet.run("rollout", "release", touched[0])
    wait(lambda: not testbed.marked(), testbed.marked)
    wait(lambda: len(testbed.ready_nodes()) == len(NAMES), testbed.nodes)
    wait(lambda: len(testbed.ready_pods()) == REPLICAS, lambda: testbed.api.get(PODS))
