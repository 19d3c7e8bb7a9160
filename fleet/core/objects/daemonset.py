"""On which nodes a DaemonSet runs a pod, as the DaemonSet controller decides.

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
"""What the controller lets every pod of a DaemonSet tolerate."""
OF_HOST_NETWORK = Toleration(f"{_STATE}network-unavailable", "Exists", effect="NoSchedule")


class DaemonSetFit(StrEnum):
    """What a DaemonSet makes of a node."""

    RUN = "run"
    """It runs a pod there."""
    KEEP = "keep"
    """It lets a pod go on that is there, and starts none: a taint with the effect NoSchedule came later."""
    NONE = "none"
    """It deletes a pod that is there."""


class DaemonTemplate(Struct, frozen=True, gc=False):
    """What the pod template of a DaemonSet asks of a node."""

    node_name: str = ""
    """The only node; empty: any."""
    node_selector: dict[str, str] = {}
    affinity: tuple[NodeTerm, ...] = ()
    """Required node affinity: one of them must match. Empty: any node will do."""
    tolerations: tuple[Toleration, ...] = ()
    host_network: bool = False

    def place(self, node: Node) -> DaemonSetFit:
        """Returns what the DaemonSet makes of this node."""
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
        """Yields the keys of the node labels that it selects by."""
        yield from self.node_selector
        for term in self.affinity:
            for each in term.expressions:
                yield each.key

    def _tolerates(self, taint: Taint) -> bool:
        usual = (*AUTOMATIC, OF_HOST_NETWORK) if self.host_network else AUTOMATIC
        return any(each.tolerates(taint) for each in (*self.tolerations, *usual))
