"""The requirements that a pod has of a node besides resources and topology, checked as the scheduler checks them.

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
"""Prefix of the keys of taints that Kubernetes sets for a node's current condition."""


class Demand(NamedTuple):
    """Node selector, tolerations, node affinity and volume topology of a pod. Pods with equal demands fit the same
    nodes."""

    selector: tuple[tuple[str, str], ...]
    tolerations: tuple[Toleration, ...]
    affinity: tuple[NodeTerm, ...] = ()
    volumes: tuple[Terms, ...] = ()
    """Node terms of the pod's persistent volumes; each of them must be met."""

    @classmethod
    def of(cls, pod: Pod, volumes: ClusterVolumes | None = None) -> Demand:
        """Returns the demand of a pod. Without `volumes`, the topology of persistent volumes is left out."""
        rules = volumes.rules(pod) if volumes is not None and pod.claims else ()
        return cls(tuple(pod.node_selector.items()), pod.tolerations, pod.affinity, rules)

    def tolerates(self, taint: Taint) -> bool:
        """Returns whether one of the pod's tolerations matches the taint."""
        return any(toleration.tolerates(taint) for toleration in self.tolerations)

    def fits_now(self, node: Node) -> bool:
        """Returns whether the node takes such a pod now: Ready, schedulable, selected, and without an untolerated
        taint."""
        if node.ready is not True or node.deleting:
            return False
        if node.unschedulable and not self.tolerates(UNSCHEDULABLE):
            return False
        return self.selects(node) and self.reaches(node) and self.tolerates_all(node)

    def selects(self, node: Node) -> bool:
        """Returns whether node selector and node affinity match, whatever else may keep the pod away."""
        if any(node.labels.get(key) != value for key, value in self.selector):
            return False
        return not self.affinity or any(term.matches(node) for term in self.affinity)

    def reaches(self, node: Node) -> bool:
        """Returns whether the pod's persistent volumes can be used on the node."""
        return all(any(term.matches(node) for term in terms) for terms in self.volumes)

    def could_fit(self, node: Node) -> bool:
        """Returns whether the node takes such a pod once it is Ready and schedulable, whatever its condition now."""
        lasting = (taint for taint in node.taints if lasts(taint))
        return self.selects(node) and self.reaches(node) and all(self._accepts(taint) for taint in lasting)

    def tolerates_all(self, node: Node) -> bool:
        """Returns whether no taint of the node keeps the pod away, whatever else may."""
        return all(self._accepts(taint) for taint in node.taints)

    def _accepts(self, taint: Taint) -> bool:
        return taint.effect == "PreferNoSchedule" or self.tolerates(taint)

    def dislikes(self, node: Node) -> int:
        """Returns how many PreferNoSchedule taints of the node the pod does not tolerate."""
        return sum(taint.effect == "PreferNoSchedule" and not self.tolerates(taint) for taint in node.taints)


def lasts(taint: Taint) -> bool:
    """Returns whether the taint keeps pods away for good: it is neither a preference nor set for a node's current
    condition."""
    return taint.effect != "PreferNoSchedule" and not taint.key.startswith(STATE)
