"""Six real hosts, three of which are the control plane with stacked etcd: fleet upgrades them all, one voter at a time,
the leader last, while the API server is reached and a client sees no error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.lab.machines import Machines, stacked
from tests.machines.shop import Bed, begin, upgrade

pytestmark = pytest.mark.timeout(1500)

MEMBERS = ("m1", "m2", "m3")
WORKERS = ("w1", "w2", "w3")
QUORUM = """\
quorums:
  - name: etcd
    cluster: shop
    kind: etcd
    ca: {pki}/etcd-ca.crt
    cert: {pki}/etcd-client.crt
    key: {pki}/etcd-client.key
    soak: 1s
    snapshot: {{directory: snapshots}}
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
def bed(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    directory = tmp_path_factory.mktemp("stacked") / "lab"
    lab = stacked.up(directory, machines, len(MEMBERS), progress=print)
    try:
        policy = QUORUM.format(pki=directory / "pki")
        yield begin(machines, lab.kubeconfig, tmp_path_factory.mktemp("home"), policy)
    finally:
        lab.down()


def test_a_control_plane_and_its_workers_are_upgraded_voter_by_voter_and_the_leader_last(bed: Bed) -> None:
    bed.offer("1.0", "1.1")
    (group,) = bed.fleet.json("status")["quorums"]
    assert {member["name"] for member in group["members"]} == set(MEMBERS), json.dumps(group)
    leader = group["leader"]
    upgrade(bed, "1.1", "r-1")
    journal = bed.fleet.json("report", "r-1")
    began = {run["node"]: run["began_at"] for run in journal["runs"] if run["node"] in MEMBERS}
    assert max(began, key=lambda name: began[name]) == leader, began
    (group,) = bed.fleet.json("status")["quorums"]
    assert group["leader"] != leader, "it was moved before its member went"
    assert _snapshots(bed.fleet.home / "snapshots")


def _snapshots(folder: Path) -> list[Path]:
    """With something in them."""
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size > 10_000]
