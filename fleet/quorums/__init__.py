"""Quorum groups other than etcd: members' answers are read into `fleet.core.quorum.quorum.Quorum`."""

from fleet.quorums.group import PodsPlace, pods_of, quorum_of
from fleet.quorums.pods import PodGroup
from fleet.quorums.reading import Asks, read

__all__ = ["Asks", "PodGroup", "PodsPlace", "pods_of", "quorum_of", "read"]
