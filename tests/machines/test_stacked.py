"""Six real hosts, three of which are the control plane with stacked etcd: their agents take them all from release to
release, one voter at a time, the leader last, while the API server answers and a client sees no error."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from fleet.lab.control_plane.balancer import GONE_SECONDS
from tests.machines.stack import MEMBERS, Stack
from tests.machines.voting_checks import GAP, etcd, one_voter_at_a_time
from tests.machines.workload import Environment, upgrade_by_agents, wait

pytestmark = pytest.mark.timeout(1200)


def test_a_control_plane_and_its_workers_are_upgraded_one_voter_at_a_time_and_the_leader_last(
    stack: Stack,
) -> None:
    testbed = stack.testbed
    testbed.offer("1.0", "1.1")
    before = etcd(testbed)
    assert (before["voters"], before["healthy"], before["unread"], before["declared"]) == (3, 3, "", False)
    with one_voter_at_a_time(stack, testbed):
        upgrade_by_agents(testbed, "1.1")

    reported = [each["record"] for each in json.loads(testbed.fleet.run("audit", "export"))["entries"]]
    done = [each["kind"] for each in reported if each["detail"].get("result") == "done"]
    assert (done.count("move-leader"), done.count("snapshot")) == (1, len(MEMBERS))
    snapshots = sorted((testbed.fleet.home / "snapshots").glob("*.db"))
    assert len(snapshots) == len(MEMBERS)
    assert all(is_whole(path) for path in snapshots)


def test_leaders_host_loses_power_and_the_others_continue(stack: Stack) -> None:
    testbed, machines = stack.testbed, stack.machines
    testbed.fleet.run("sync")
    victim = etcd(testbed)["leader"]
    writer, reader = stack.writer(), stack.reader()
    with writer.at_work(), reader.reading():
        # With the network first: a host without power tells nobody that its connections have ended.
        machines.cut_network(victim)
        machines.cut_power(victim)
        wait(lambda: healthy(testbed) == 2, lambda: etcd(testbed))
        assert etcd(testbed)["leader"] != victim
        machines.power_on(victim)
        machines.restore_network(victim)
        wait(lambda: healthy(testbed) == 3, lambda: etcd(testbed))
    print(f"power cut: etcd {writer.gap:.2f} s, API {reader.gap:.2f} s; {reader.errors}")
    assert writer.gap < 2 * GAP, "votes may be split once"
    assert reader.gap < 2 * GAP + GONE_SECONDS, reader.errors
    wait(lambda: len(testbed.ready_nodes()) == len(testbed.names), testbed.nodes)


def healthy(testbed: Environment) -> int:
    """Voters, as fleet reads them now. It cannot while etcd elects: then no API server reports that it is ready."""
    with testbed.fleet.background("sync") as sync:
        sync.wait(120)
    return int(etcd(testbed)["healthy"])


def is_whole(snapshot: Path) -> bool:
    """It ends with the hash of what is before it. Source: etcd's `Maintenance.Snapshot`."""
    content = snapshot.read_bytes()
    return len(content) > 1 << 20 and hashlib.sha256(content[:-32]).digest() == content[-32:]
