"""A cluster's own etcd, as its static pods show it: a dump's pods to a group."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from msgspec.structs import replace

from fleet.core.cluster.view import ClusterView
from fleet.core.guards import quorum
from fleet.core.objects.node import ZONE_LABEL, NodeRef
from fleet.core.quorum.groups import EtcdAccess, QuorumGroup
from fleet.core.quorum.quorum import QuorumRule
from fleet.core.records.reasons.reason import Reason
from fleet.etcd.group import EtcdGroup
from fleet.etcd.static import endpoints_of, group_in, pods_of
from fleet.kube.watch.dump_file import of_dump
from fleet.lab.simulation.builders import START, a_node


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


def node(name: str, *addresses: str) -> dict[str, Any]:
    reported = [{"type": "Hostname", "address": name}]
    reported += [{"type": "InternalIP", "address": address} for address in addresses]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"u-{name}"},
        "status": {"addresses": reported},
    }


def dump(*ready: bool) -> bytes:
    """Its first node has the loopback's address besides."""
    nodes = [
        node(f"cp-{index}", f"10.0.0.{index}", *(["127.0.0.1"] if index == 0 else []))
        for index in range(len(ready))
    ]
    pods = [static_pod(f"cp-{index}", each) for index, each in enumerate(ready)]
    return msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": [*nodes, *pods]})


def test_static_pods_form_the_group_and_their_readiness_counts() -> None:
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
    healthy = group_in(of_dump(dump(True, True, True), "east", "fra", START))
    assert healthy is not None
    assert quorum.held(healthy, rule, NodeRef("east", "cp-0"), ()) is None
    assert quorum.held(healthy, rule, NodeRef("east", "cp-0"), {NodeRef("east", "cp-1")}) is not None


def test_endpoints_are_those_of_kubeadms_annotation() -> None:
    snapshot = of_dump(dump(True, True), "east", "fra", START)
    assert endpoints_of(pods_of(snapshot.pods), {}) == ("https://10.0.0.0:2379", "https://10.0.0.1:2379")


def test_members_over_several_zones_are_in_their_nodes_zones() -> None:
    snapshot = of_dump(dump(True, True), "east", "fra", START)
    first = replace(snapshot.nodes[0], labels={ZONE_LABEL: "fra-1"})
    group = group_in(replace(snapshot, nodes=(first, *snapshot.nodes[1:])), "zone")
    assert group is not None and [each.site for each in group.members] == ["fra-1", "fra"]


def test_without_an_annotation_endpoints_are_the_nodes_addresses() -> None:
    nodes = {
        "cp-0": replace(a_node("cp-0"), addresses=("fd00::7",)),
        "cp-1": replace(a_node("cp-1"), addresses=("10.0.0.8", "192.0.2.8")),
    }
    pods = [replace(pod, etcd="") for pod in pods_of(of_dump(dump(True, True), "east", "fra", START).pods)]
    assert endpoints_of(pods, nodes) == ("https://[fd00::7]:2379", "https://10.0.0.8:2379")
    assert endpoints_of(pods, {}) == ()


class Servers:
    """API servers that say one thing."""

    def __init__(self, message: str = "") -> None:
        self.words = message
        self.asked = 0

    async def etcd(self) -> str:
        self.asked += 1
        return self.words


def a_group(servers: Servers, access: EtcdAccess) -> EtcdGroup:
    return EtcdGroup(QuorumGroup("etcd", "east", access=access), "fra", servers)


def a_view(*ready: bool) -> ClusterView:
    """The nodes and static pods of a cluster, as the engine knows them."""
    return ClusterView.of(of_dump(dump(*ready), "east", "fra", START))


def test_unreadable_etcd_goes_by_its_pods_and_has_the_reason() -> None:
    gone = EtcdAccess(("https://127.0.0.1:1",))
    for access, why in ((EtcdAccess(), "neither endpoints nor a certificate"), (gone, "refused")):
        servers = Servers()
        found = asyncio.run(a_group(servers, access).read(a_view(True, True, True), START))
        assert found is not None and found.declared and why in found.unread
        assert len(found.members) == 3 and all(each.reachable for each in found.members)
        assert servers.asked == 1


NOWHERE = EtcdAccess(("http://192.0.2.1:1", "http://never.invalid:1"))
"""Of no node of the cluster."""


def test_external_etcd_does_not_go_by_static_pods() -> None:
    servers = Servers()
    elsewhere = QuorumGroup("broker", "east", access=replace(NOWHERE, endpoints=NOWHERE.endpoints[1:]))
    group = EtcdGroup(elsewhere, "fra", servers)
    found = asyncio.run(group.read(a_view(True, True, True), START))
    assert found is not None and not found.declared and servers.asked == 0
    # Which nodes carry it nobody knows: none of them goes.
    for name in ("cp-0", "cp-2"):
        held = quorum.held(found, QuorumRule(), NodeRef("east", name), ())
        assert held is not None and held.reason is Reason.QUORUM_UNREAD


def test_etcd_of_static_pods_exists_beside_an_external_one() -> None:
    servers = Servers()
    elsewhere = EtcdGroup(QuorumGroup("broker", "east", access=NOWHERE), "fra", servers)
    named = EtcdGroup(
        QuorumGroup("main", "east", access=EtcdAccess(("https://10.0.0.1:2379",))), "fra", servers
    )
    for beside, there in (([elsewhere], True), ([elsewhere, named], False)):
        own = EtcdGroup(QuorumGroup("east/etcd", "east"), "fra", servers, beside=beside)
        found = asyncio.run(own.read(a_view(True, True, True), START))
        assert (found is not None) is there
        assert found is None or (found.declared and len(found.members) == 3)


def test_pods_are_not_trusted_while_the_api_server_reports_its_etcd_as_failed() -> None:
    message = "/readyz/etcd of the API server: internal server error: etcd failed"
    found = asyncio.run(a_group(Servers(message), EtcdAccess()).read(a_view(True, True, True), START))
    assert found is not None and not found.declared
    held = quorum.held(found, QuorumRule(), NodeRef("east", "cp-0"), ())
    assert held is not None and held.reason is Reason.QUORUM_UNREAD and message in held.message
    assert message in quorum.why_not_recovered(found, QuorumRule(), NodeRef("east", "cp-0"))


def test_cluster_without_etcd_pods_has_no_group() -> None:
    snapshot = of_dump(dump(True), "east", "fra", START)
    servers = Servers()
    assert group_in(replace(snapshot, pods=())) is None
    assert asyncio.run(a_group(servers, EtcdAccess()).read(a_view(), START)) is None
    assert servers.asked == 0
