"""Records the marks of other controllers and the annotations of users on nodes. fleet must respect the former and leave
the latter alone."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.core.objects.node import Node
from fleet.lab.simulation.checker.ground_truth import LAG, GroundTruth, NodeName


class ExternalMarks:
    def __init__(self, truth: GroundTruth) -> None:
        self._truth = truth
        self._taken: dict[NodeName, tuple[float, str]] = {}
        """Nodes that another controller deletes or works on, each with since when, and the node's uid."""
        self._marks: dict[NodeName, set[str]] = {}
        """The keys of the taints and annotations of other controllers."""
        self._kept: dict[NodeName, dict[str, str]] = {}
        """The annotations of users by key, each with the uid of the node."""

    def mark(self, cluster: str, node: str, key: str) -> None:
        """Records that a taint or annotation of another controller was put on the node."""
        self._marks.setdefault((cluster, node), set()).add(key)

    def claim(self, at: float, cluster: str, node: str) -> None:
        """Records that another controller deletes the node or works on it; the first time counts."""
        current = self._truth.nodes.get((cluster, node))
        if current is not None:
            self._taken.setdefault((cluster, node), (at, current.uid))

    def leave(self, cluster: str, node: str) -> None:
        """Records that no mark of another controller is left on the node."""
        self._taken.pop((cluster, node), None)
        self._marks.pop((cluster, node), None)

    def foreign_keys(self, cluster: str, node: Node) -> set[str]:
        """Returns the keys of the taints and annotations that are not fleet's."""
        annotations = self._kept.get((cluster, node.name), {})
        return self._marks.get((cluster, node.name), set()) | {
            key for key, uid in annotations.items() if uid == node.uid
        }

    def is_claimed(self, at: float, cluster: str, node: str) -> bool:
        """Returns whether another controller works on the node for so long that fleet must know it."""
        current = self._truth.nodes.get((cluster, node))
        since, uid = self._taken.get((cluster, node), (at, ""))
        return current is not None and current.uid == uid and at - since > LAG

    def annotate(self, cluster: str, node: str, key: str) -> None:
        """Records a user's annotation that was not there before."""
        current = self._truth.nodes.get((cluster, node))
        if current is not None:
            self._kept.setdefault((cluster, node), {})[key] = current.uid

    def annotated(self, cluster: str, node: str) -> list[str]:
        """Returns the keys of users' annotations that must still be there."""
        return list(self._kept.get((cluster, node), {}))

    def unannotate(self, cluster: str, node: str, key: str) -> None:
        self._kept.get((cluster, node), {}).pop(key, None)

    def missing_annotation(self, cluster: str, nodes: Iterable[Node]) -> str:
        """Returns a node and a user's annotation that is missing, once; empty if all are there."""
        for node in nodes:
            for key, uid in list(self._kept.get((cluster, node.name), {}).items()):
                if uid == node.uid and key not in node.annotations:
                    self.unannotate(cluster, node.name, key)
                    return f"{key} of {node.name}"
        return ""
