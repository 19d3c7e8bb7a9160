"""Quorum groups other than etcd: their members' answers read into `fleet.core.quorum.quorum.Quorum`."""

from fleet.quorums.group import Place, pods_of, quorum_of
from fleet.quorums.pods import PodGroup
from fleet.quorums.reading import Asks, read

__all__ = ["Asks", "Place", "PodGroup", "pods_of", "quorum_of", "read"]
