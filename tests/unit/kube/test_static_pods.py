"""A cluster's own etcd, as its static pods show it: a dump's pods to a group."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from msgspec.structs import replace

from fleet.core.event import Seen
from fleet.core.groups import Access, Group
from fleet.core.guards import quorum
from fleet.core.held import Reason
from fleet.core.node import Node, NodeRef
from fleet.core.pod import Pod
from fleet.core.quorum import QuorumRule
from fleet.etcd.group import EtcdGroup
from fleet.etcd.static import endpoints_of, group_in, pods_of
from fleet.histories.builders import START
from fleet.kube.snapshot import of_dump


def static_pod(node: str, ready: bool) -> dict[str, Any]:
    """As kubeadm 1.36 makes them, in what fleet reads."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"etcd-{node}",
            "namespace": "kube-system",
            "uid": f"uid-etcd-{node}",
            "labels": {"component": "etcd", "tier": "control-plane"},
            "annotations": {
                "kubernetes.io/config.mirror": "x",
                "kubeadm.kubernetes.io/etcd.advertise-client-urls": f"https://10.0.0.{node[-1]}:2379",
            },
        },
        "spec": {"nodeName": node, "containers": []},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def dump(*ready: bool) -> bytes:
    nodes = [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"cp-{index}", "uid": f"u-{index}"}}
        for index in range(len(ready))
    ]
    pods = [static_pod(f"cp-{index}", each) for index, each in enumerate(ready)]
    return msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": [*nodes, *pods]})


def test_the_group_is_known_by_its_pods_and_goes_by_their_readiness() -> None:
    snapshot = of_dump(dump(True, True, False), "east", "fra", START)
    group = group_in(snapshot)
    assert group is not None and group.name == "east/etcd" and group.declared
    assert [(each.name, each.node, each.site, each.reachable) for each in group.members] == [
        ("cp-0", NodeRef("east", "cp-0"), "fra", True),
        ("cp-1", NodeRef("east", "cp-1"), "fra", True),
        ("cp-2", NodeRef("east", "cp-2"), "fra", False),
    ]
    rule = QuorumRule()
    assert quorum.held(group, rule, NodeRef("east", "cp-0"), ()) is not None
    assert quorum.held(group, rule, NodeRef("east", "cp-2"), ()) is None
    well = group_in(of_dump(dump(True, True, True), "east", "fra", START))
    assert well is not None
    assert quorum.held(well, rule, NodeRef("east", "cp-0"), ()) is None
    assert quorum.held(well, rule, NodeRef("east", "cp-0"), {NodeRef("east", "cp-1")}) is not None


def test_their_endpoints_are_those_that_kubeadm_notes() -> None:
    snapshot = of_dump(dump(True, True), "east", "fra", START)
    assert endpoints_of(pods_of(snapshot.pods)) == ("https://10.0.0.0:2379", "https://10.0.0.1:2379")


class Servers:
    """API servers that say one thing."""

    def __init__(self, words: str = "") -> None:
        self.words = words
        self.asked = 0

    async def etcd(self) -> str:
        self.asked += 1
        return self.words


def a_group(servers: Servers, access: Access, *ready: bool) -> EtcdGroup:
    """Told of the nodes and pods of its cluster."""
    snapshot = of_dump(dump(*ready), "east", "fra", START)
    group = EtcdGroup(Group("etcd", "east", access=access), "fra", servers)
    things: list[Node | Pod] = [*snapshot.nodes, *snapshot.pods]
    for thing in things:
        group.see(Seen("east", thing))
    return group


def test_an_etcd_that_cannot_be_asked_goes_by_its_pods_and_says_why() -> None:
    gone = Access(("https://127.0.0.1:1",))
    for access, why in ((Access(), "neither endpoints nor a certificate"), (gone, "refused")):
        servers = Servers()
        found = asyncio.run(a_group(servers, access, True, True, True).read(START))
        assert found is not None and found.declared and why in found.unread
        assert len(found.members) == 3 and all(each.reachable for each in found.members)
        assert servers.asked == 1


def test_pods_alone_are_not_believed_where_the_api_server_cannot_count_on_its_etcd() -> None:
    words = "/readyz/etcd of the API server: internal server error: etcd failed"
    found = asyncio.run(a_group(Servers(words), Access(), True, True, True).read(START))
    assert found is not None and not found.declared
    held = quorum.held(found, QuorumRule(), NodeRef("east", "cp-0"), ())
    assert held is not None and held.reason is Reason.QUORUM_UNREAD and words in held.words
    assert words in quorum.back(found, QuorumRule(), NodeRef("east", "cp-0"))


def test_a_cluster_without_such_pods_has_no_group_and_nobody_is_asked() -> None:
    snapshot = of_dump(dump(True), "east", "fra", START)
    servers = Servers()
    assert group_in(replace(snapshot, pods=())) is None
    assert asyncio.run(a_group(servers, Access()).read(START)) is None
    assert servers.asked == 0
