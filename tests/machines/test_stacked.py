"""Six real hosts, three of which are the control plane with stacked etcd: their agents take them all from release to
release, one voter at a time, the leader last, while the API server answers and a client sees no error."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.quorum import Writer
from fleet.core.groups import Access
from fleet.lab.balancer import GONE_SECONDS
from fleet.lab.machines import Machines
from fleet.lab.machines.manifests import ETCD_PORT
from fleet.lab.machines.stacked import ROLE, Stacked
from tests.cluster.rest import Json
from tests.etcd.timeline import judged
from tests.machines.shop import Bed, begin, upgrade_by_agents, wait
from tests.machines.voters import Reader, Voters

pytestmark = pytest.mark.timeout(1200)

MEMBERS = ("cp1", "cp2", "cp3")
WORKERS = ("w1", "w2", "w3")
GAP = 10.0
"""Seconds. An election takes between two and four, and this computer has other things to do."""

CONTROL = f"""\
  - name: control
    selector: {{matchExpressions: [{{key: {ROLE}, operator: Exists}}]}}
    # As far as this goes, all at once.
    limits: {{max_unavailable: {len(MEMBERS)}}}
"""


def quorum(stacked: Stacked) -> str:
    """Of the policy. No endpoints: they are found."""
    issued = stacked.certificates
    return f"""\
quorums:
  - name: etcd
    cluster: shop
    kind: etcd
    ca: {issued.etcd_authority}
    cert: {issued.etcd_client.certificate}
    key: {issued.etcd_client.key}
    soak: 1s
    snapshot: {{directory: snapshots}}
  - name: api
    cluster: shop
    kind: pods
    namespace: kube-system
    selector: {{matchLabels: {{component: kube-apiserver}}}}
    voters: 3
    soak: 1s
"""


@pytest.fixture(scope="module")
def machines(may_run_machines: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    folder = tmp_path_factory.mktemp("machines") / "m"
    up = Machines.up(folder, (*MEMBERS, *WORKERS), tied=True, progress=print)
    try:
        yield up
    finally:
        up.down()


@pytest.fixture(scope="module")
def stacked(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacked]:
    directory = tmp_path_factory.mktemp("stacked") / "lab"
    up = Stacked.up(directory, machines, MEMBERS, tied=True, progress=print)
    try:
        yield up
    finally:
        up.down()


@pytest.fixture(scope="module")
def bed(stacked: Stacked, machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> Bed:
    home = tmp_path_factory.mktemp("home")
    return begin(machines, stacked.kubeconfig, home, quorum(stacked), CONTROL)


def test_a_control_plane_and_its_workers_are_upgraded_one_voter_at_a_time_and_the_leader_last(
    bed: Bed, stacked: Stacked, machines: Machines
) -> None:
    bed.offer("1.0", "1.1")
    before = group(bed)
    assert (before["voters"], before["healthy"], before["unread"], before["declared"]) == (3, 3, "", False)
    members = {each.name: f"https://{each.address}:{ETCD_PORT}" for each in machines.all[: len(MEMBERS)]}
    issued = stacked.certificates
    pair = issued.etcd_client
    access = Access(tuple(members.values()), str(issued.etcd_authority), str(pair.certificate), str(pair.key))
    voters, writer, reader = Voters(members, issued), Writer(access), Reader(stacked.kubeconfig)
    with voters.watched(), writer.at_work(), reader.reading():
        upgrade_by_agents(bed, "1.1")
    print(f"etcd: {len(writer.times)} writes, longest gap {writer.gap:.2f} s; {voters.timeline}")
    print(f"API: {reader.answers} answers, longest gap {reader.gap:.2f} s; errors {reader.errors}")

    assert judged(MEMBERS, voters.timeline) == [], voters.timeline
    assert sorted(voters.order) == sorted(MEMBERS), "each went once"
    assert voters.order[-1] == before["leader"], "the leader went last"
    assert writer.gap < GAP
    assert reader.gap < GAP, reader.errors
    bed.fleet.run("sync")
    after = group(bed)
    assert (after["voters"], after["healthy"]) == (3, 3)
    assert after["leader"] != before["leader"], "it was moved before its host went"

    told = [each["record"] for each in json.loads(bed.fleet.run("audit", "export"))["entries"]]
    done = [each["kind"] for each in told if each["detail"].get("result") == "done"]
    assert (done.count("move-leader"), done.count("snapshot")) == (1, len(MEMBERS))
    snapshots = sorted((bed.fleet.home / "snapshots").glob("*.db"))
    assert len(snapshots) == len(MEMBERS)
    assert all(is_whole(path) for path in snapshots)


def test_the_leaders_host_loses_power_and_the_others_go_on(
    bed: Bed, stacked: Stacked, machines: Machines
) -> None:
    bed.fleet.run("sync")
    victim = group(bed)["leader"]
    writer, reader = a_writer(stacked, machines), Reader(stacked.kubeconfig)
    with writer.at_work(), reader.reading():
        # With the network first: a host without power tells nobody that its connections have ended.
        machines.cut_network(victim)
        machines.cut_power(victim)
        wait(lambda: healthy(bed) == 2, lambda: group(bed))
        assert group(bed)["leader"] != victim
        machines.power_on(victim)
        machines.mend_network(victim)
        wait(lambda: healthy(bed) == 3, lambda: group(bed))
    print(f"power cut: etcd {writer.gap:.2f} s, API {reader.gap:.2f} s; errors {reader.errors}")
    assert writer.gap < GAP
    assert reader.gap < GAP + GONE_SECONDS, reader.errors
    wait(lambda: len(bed.ready_nodes()) == len(bed.names), bed.nodes)


def endpoints(machines: Machines) -> dict[str, str]:
    """Of each member, by its name."""
    return {each.name: f"https://{each.address}:{ETCD_PORT}" for each in machines.all if each.name in MEMBERS}


def a_writer(stacked: Stacked, machines: Machines) -> Writer:
    issued = stacked.certificates
    pair = issued.etcd_client
    where = tuple(endpoints(machines).values())
    return Writer(Access(where, str(issued.etcd_authority), str(pair.certificate), str(pair.key)))


def healthy(bed: Bed) -> int:
    """Voters, as fleet reads them now."""
    bed.fleet.run("sync")
    return int(group(bed)["healthy"])


def group(bed: Bed) -> Json:
    """The etcd, as fleet knows it."""
    (found,) = [each for each in bed.fleet.json("status")["quorums"] if each["kind"] == "etcd"]
    return dict(found)


def is_whole(snapshot: Path) -> bool:
    """It ends with the hash of what is before it. Source: etcd's `Maintenance.Snapshot`."""
    content = snapshot.read_bytes()
    return len(content) > 1 << 20 and hashlib.sha256(content[:-32]).digest() == content[-32:]
