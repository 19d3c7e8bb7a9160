"""Six real hosts, three of which are the control plane with stacked etcd: their agents take them all from release to
release, one voter at a time, the leader last, while the API server answers and a client sees no error."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from fleet.lab.control_plane.balancer import GONE_SECONDS
from tests.machines.shop import Bed, upgrade_by_agents, wait
from tests.machines.stack import MEMBERS, Stack
from tests.machines.voting import GAP, etcd, one_voter_at_a_time

pytestmark = pytest.mark.timeout(1200)


def test_a_control_plane_and_its_workers_are_upgraded_one_voter_at_a_time_and_the_leader_last(
    stack: Stack,
) -> None:
    bed = stack.bed
    bed.offer("1.0", "1.1")
    before = etcd(bed)
    assert (before["voters"], before["healthy"], before["unread"], before["declared"]) == (3, 3, "", False)
    with one_voter_at_a_time(stack, bed):
        upgrade_by_agents(bed, "1.1")

    told = [each["record"] for each in json.loads(bed.fleet.run("audit", "export"))["entries"]]
    done = [each["kind"] for each in told if each["detail"].get("result") == "done"]
    assert (done.count("move-leader"), done.count("snapshot")) == (1, len(MEMBERS))
    snapshots = sorted((bed.fleet.home / "snapshots").glob("*.db"))
    assert len(snapshots) == len(MEMBERS)
    assert all(is_whole(path) for path in snapshots)


def test_leaders_host_loses_power_and_the_others_continue(stack: Stack) -> None:
    bed, machines = stack.bed, stack.machines
    bed.fleet.run("sync")
    victim = etcd(bed)["leader"]
    writer, reader = stack.writer(), stack.reader()
    with writer.at_work(), reader.reading():
        # With the network first: a host without power tells nobody that its connections have ended.
        machines.cut_network(victim)
        machines.cut_power(victim)
        wait(lambda: healthy(bed) == 2, lambda: etcd(bed))
        assert etcd(bed)["leader"] != victim
        machines.power_on(victim)
        machines.restore_network(victim)
        wait(lambda: healthy(bed) == 3, lambda: etcd(bed))
    print(f"power cut: etcd {writer.gap:.2f} s, API {reader.gap:.2f} s; {reader.errors}")
    assert writer.gap < 2 * GAP, "votes may be split once"
    assert reader.gap < 2 * GAP + GONE_SECONDS, reader.errors
    wait(lambda: len(bed.ready_nodes()) == len(bed.names), bed.nodes)


def healthy(bed: Bed) -> int:
    """Voters, as fleet reads them now. It cannot while etcd elects: then no API server says that it is ready."""
    with bed.fleet.background("sync") as sync:
        sync.wait(120)
    return int(etcd(bed)["healthy"])


def is_whole(snapshot: Path) -> bool:
    """It ends with the hash of what is before it. Source: etcd's `Maintenance.Snapshot`."""
    content = snapshot.read_bytes()
    return len(content) > 1 << 20 and hashlib.sha256(content[:-32]).digest() == content[-32:]
