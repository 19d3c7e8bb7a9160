"""What other parties and persons have put on nodes, as they did it: fleet must heed the one and leave the other alone."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.core.objects.node import Node
from fleet.lab.simulation.checker.ground_truth import LAG, GroundTruth, NodeName


class ExternalMarks:
    def __init__(self, truth: GroundTruth) -> None:
        self._truth = truth
        self._taken: dict[NodeName, tuple[float, str]] = {}
        """Nodes that another party deletes or works on: since when, and the node's uid."""
        self._marks: dict[NodeName, set[str]] = {}
        """Keys of their taints and annotations."""
        self._kept: dict[NodeName, dict[str, str]] = {}
        """Annotations of persons by key, each with the uid of its node."""

    def mark(self, cluster: str, node: str, key: str) -> None:
        """Another party's taint or annotation comes on the node."""
        self._marks.setdefault((cluster, node), set()).add(key)

    def take(self, at: float, cluster: str, node: str) -> None:
        """Another party has said that it deletes the node or works on it; the first time counts."""
        found = self._truth.nodes.get((cluster, node))
        if found is not None:
            self._taken.setdefault((cluster, node), (at, found.uid))

    def leave(self, cluster: str, node: str) -> None:
        """No mark is left there."""
        self._taken.pop((cluster, node), None)
        self._marks.pop((cluster, node), None)

    def are_theirs(self, cluster: str, node: Node) -> set[str]:
        """Keys of taints and annotations that fleet has nothing to do with."""
        kept = self._kept.get((cluster, node.name), {})
        return self._marks.get((cluster, node.name), set()) | {
            k for k, uid in kept.items() if uid == node.uid
        }

    def taken(self, at: float, cluster: str, node: str) -> bool:
        """For so long that a controller must have heard of it."""
        found = self._truth.nodes.get((cluster, node))
        since, uid = self._taken.get((cluster, node), (at, ""))
        return found is not None and found.uid == uid and at - since > LAG

    def annotate(self, cluster: str, node: str, key: str) -> None:
        """A person's annotation, which was not there before."""
        found = self._truth.nodes.get((cluster, node))
        if found is not None:
            self._kept.setdefault((cluster, node), {})[key] = found.uid

    def annotated(self, cluster: str, node: str) -> list[str]:
        """Keys of persons' annotations that are still there by right."""
        return list(self._kept.get((cluster, node), {}))

    def unannotate(self, cluster: str, node: str, key: str) -> None:
        self._kept.get((cluster, node), {}).pop(key, None)

    def robbed(self, cluster: str, nodes: Iterable[Node]) -> str:
        """A node and a person's annotation that is not there any more; told once. Empty: all are there."""
        for node in nodes:
            for key, uid in list(self._kept.get((cluster, node.name), {}).items()):
                if uid == node.uid and key not in node.annotations:
                    self.unannotate(cluster, node.name, key)
                    return f"{key} of {node.name}"
        return ""
