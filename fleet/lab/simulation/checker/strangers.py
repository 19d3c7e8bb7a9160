"""What other controllers and persons have put on nodes. fleet must respect the former and leave the latter alone."""

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
        """The annotations of persons by key, each with the uid of the node."""

    def mark(self, cluster: str, node: str, key: str) -> None:
        """Notes that a taint or annotation of another controller was put on the node."""
        self._marks.setdefault((cluster, node), set()).add(key)

    def take(self, at: float, cluster: str, node: str) -> None:
        """Notes that another controller deletes the node or works on it; the first time counts."""
        found = self._truth.nodes.get((cluster, node))
        if found is not None:
            self._taken.setdefault((cluster, node), (at, found.uid))

    def leave(self, cluster: str, node: str) -> None:
        """Notes that no mark is left on the node."""
        self._taken.pop((cluster, node), None)
        self._marks.pop((cluster, node), None)

    def are_theirs(self, cluster: str, node: Node) -> set[str]:
        """Returns the keys of the taints and annotations that are not fleet's."""
        kept = self._kept.get((cluster, node.name), {})
        return self._marks.get((cluster, node.name), set()) | {
            k for k, uid in kept.items() if uid == node.uid
        }

    def taken(self, at: float, cluster: str, node: str) -> bool:
        """Returns whether another controller works on the node for so long that fleet must know it."""
        found = self._truth.nodes.get((cluster, node))
        since, uid = self._taken.get((cluster, node), (at, ""))
        return found is not None and found.uid == uid and at - since > LAG

    def annotate(self, cluster: str, node: str, key: str) -> None:
        """Notes a person's annotation that was not there before."""
        found = self._truth.nodes.get((cluster, node))
        if found is not None:
            self._kept.setdefault((cluster, node), {})[key] = found.uid

    def annotated(self, cluster: str, node: str) -> list[str]:
        """Returns the keys of persons' annotations that must still be there."""
        return list(self._kept.get((cluster, node), {}))

    def unannotate(self, cluster: str, node: str, key: str) -> None:
        self._kept.get((cluster, node), {}).pop(key, None)

    def robbed(self, cluster: str, nodes: Iterable[Node]) -> str:
        """Returns a node and a person's annotation that is missing, once; empty if all are there."""
        for node in nodes:
            for key, uid in list(self._kept.get((cluster, node.name), {}).items()):
                if uid == node.uid and key not in node.annotations:
                    self.unannotate(cluster, node.name, key)
                    return f"{key} of {node.name}"
        return ""
