"""What a pod asks of a node besides room and neighbours, as the scheduler asks it.

Source: kube-scheduler, plugins nodeunschedulable, tainttoleration, nodeaffinity, volumebinding and volumezone.
"""

from __future__ import annotations

from typing import NamedTuple

from fleet.core.objects.node import Node, Taint, Toleration
from fleet.core.objects.placement import NodeTerm
from fleet.core.objects.pod import Pod
from fleet.core.objects.volumes import ClusterVolumes, Terms

UNSCHEDULABLE = Taint("node.kubernetes.io/unschedulable", "NoSchedule")
STATE = "node.kubernetes.io/"
"""Begins the keys of taints that tell a node's state of the moment."""


class Demand(NamedTuple):
    selector: tuple[tuple[str, str], ...]
    tolerations: tuple[Toleration, ...]
    affinity: tuple[NodeTerm, ...] = ()
    volumes: tuple[Terms, ...] = ()
    """What the pod's persistent volumes ask of its node; all must be met."""

    @classmethod
    def of(cls, pod: Pod, volumes: ClusterVolumes | None = None) -> Demand:
        rules = volumes.rules(pod) if volumes is not None and pod.claims else ()
        return cls(tuple(pod.node_selector.items()), pod.tolerations, pod.affinity, rules)

    def tolerates(self, taint: Taint) -> bool:
        return any(toleration.tolerates(taint) for toleration in self.tolerations)

    def fits_now(self, node: Node) -> bool:
        if node.ready is not True or node.deleting:
            return False
        if node.unschedulable and not self.tolerates(UNSCHEDULABLE):
            return False
        return self.selects(node) and self.reaches(node) and self.tolerates_all(node)

    def selects(self, node: Node) -> bool:
        """By node selector and affinity alone."""
        if any(node.labels.get(key) != value for key, value in self.selector):
            return False
        return not self.affinity or any(term.matches(node) for term in self.affinity)

    def reaches(self, node: Node) -> bool:
        """The pod's persistent volumes can be used there."""
        return all(any(term.matches(node) for term in terms) for terms in self.volumes)

    def could_fit(self, node: Node) -> bool:
        """Whatever its state: once it is Ready and open, it suits."""
        lasting = (taint for taint in node.taints if lasts(taint))
        return self.selects(node) and self.reaches(node) and all(self._bears(taint) for taint in lasting)

    def tolerates_all(self, node: Node) -> bool:
        """By taints alone."""
        return all(self._bears(taint) for taint in node.taints)

    def _bears(self, taint: Taint) -> bool:
        return taint.effect == "PreferNoSchedule" or self.tolerates(taint)

    def dislikes(self, node: Node) -> int:
        """How many PreferNoSchedule taints stand against the node."""
        return sum(taint.effect == "PreferNoSchedule" and not self.tolerates(taint) for taint in node.taints)


def lasts(taint: Taint) -> bool:
    """It keeps pods away for good: it is neither a preference nor tells of the node's state of the moment."""
    return taint.effect != "PreferNoSchedule" and not taint.key.startswith(STATE)
