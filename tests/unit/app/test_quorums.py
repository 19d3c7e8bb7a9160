"""A cluster's quorum groups are those of the policy, each as its kind is asked."""

from __future__ import annotations

from pathlib import Path

from fleet.app.wiring.quorums import groups_of
from fleet.core.objects.selector import Selector
from fleet.core.policy.policy import Policy
from fleet.core.quorum.groups import EtcdAccess, GroupMembers, QuorumGroup
from fleet.core.quorum.presets import PRESETS
from fleet.etcd.group import EtcdGroup
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.cluster import KubeCluster
from fleet.quorums.pods import PodGroup
from fleet.system.clock import WallClock


def test_each_quorum_group_is_asked_as_its_kind_requires(tmp_path: Path) -> None:
    members = GroupMembers("data", Selector({"app": "zk"}), 3, PRESETS["zookeeper"])
    policy = Policy(
        quorums=(
            QuorumGroup("main", "east"),
            QuorumGroup("zk", "east", "zookeeper", members=members),
            QuorumGroup("other", "west", "zookeeper", members=members),
        )
    )
    cluster = KubeCluster("east", CredentialSource(tmp_path / "none"), WallClock())
    found = groups_of(cluster, "fra", policy)
    assert {group.name: type(group) for group in found} == {"main": EtcdGroup, "zk": PodGroup}


def test_etcd_with_endpoints_may_differ_from_that_of_the_static_pods(
    tmp_path: Path,
) -> None:
    policy = Policy(quorums=(QuorumGroup("broker", "east", access=EtcdAccess(("https://192.0.2.1:2379",))),))
    cluster = KubeCluster("east", CredentialSource(tmp_path / "none"), WallClock())
    assert [group.name for group in groups_of(cluster, "fra", policy)] == ["broker", "east/etcd"]
