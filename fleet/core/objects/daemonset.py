"""Decides on which nodes a DaemonSet runs a pod, as the DaemonSet controller does.

Source: kubernetes, pkg/controller/daemon (NodeShouldRunDaemonPod) and its util (AddOrUpdateDaemonPodTolerations).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from fleet.core.objects.node import Node, Taint, Toleration
from fleet.core.objects.placement import NodeTerm

_STATE = "node.kubernetes.io/"
AUTOMATIC = (
    Toleration(f"{_STATE}not-ready", "Exists", effect="NoExecute"),
    Toleration(f"{_STATE}unreachable", "Exists", effect="NoExecute"),
    Toleration(f"{_STATE}disk-pressure", "Exists", effect="NoSchedule"),
    Toleration(f"{_STATE}memory-pressure", "Exists", effect="NoSchedule"),
    Toleration(f"{_STATE}pid-pressure", "Exists", effect="NoSchedule"),
    Toleration(f"{_STATE}unschedulable", "Exists", effect="NoSchedule"),
)
"""Tolerations that the DaemonSet controller adds to every pod of a DaemonSet."""
OF_HOST_NETWORK = Toleration(f"{_STATE}network-unavailable", "Exists", effect="NoSchedule")
"""Toleration that the controller adds to pods of a DaemonSet that use the network of their host."""


class DaemonSetFit(StrEnum):
    """The DaemonSet controller's decision about one node."""

    RUN = "run"
    """The controller runs a pod on the node."""
    KEEP = "keep"
    """The controller keeps a pod that already runs on the node, and starts none: a taint with the effect NoSchedule was
    added later."""
    NONE = "none"
    """The controller starts no pod on the node, and deletes a pod that runs there."""


class DaemonTemplate(Struct, frozen=True, gc=False):
    """The requirements that the pod template of a DaemonSet has of a node."""

    node_name: str = ""
    """Name of the only node that the pods may run on; empty if any node may do."""
    node_selector: dict[str, str] = {}
    affinity: tuple[NodeTerm, ...] = ()
    """Terms of the required node affinity, at least one of which must match; empty if there is no requirement."""
    tolerations: tuple[Toleration, ...] = ()
    host_network: bool = False

    def place(self, node: Node) -> DaemonSetFit:
        """Returns what the DaemonSet controller decides about this node."""
        if self.node_name and self.node_name != node.name:
            return DaemonSetFit.NONE
        if any(node.labels.get(key) != value for key, value in self.node_selector.items()):
            return DaemonSetFit.NONE
        if self.affinity and not any(term.matches(node) for term in self.affinity):
            return DaemonSetFit.NONE
        refused = {taint.effect for taint in node.taints if not self._tolerates(taint)}
        if "NoExecute" in refused:
            return DaemonSetFit.NONE
        return DaemonSetFit.KEEP if "NoSchedule" in refused else DaemonSetFit.RUN

    def label_keys(self) -> Iterator[str]:
        """Yields the keys of the node labels that the template's node selector and affinity use."""
        yield from self.node_selector
        for term in self.affinity:
            for expression in term.expressions:
                yield expression.key

    def _tolerates(self, taint: Taint) -> bool:
        usual = (*AUTOMATIC, OF_HOST_NETWORK) if self.host_network else AUTOMATIC
        return any(toleration.tolerates(taint) for toleration in (*self.tolerations, *usual))
