"""Finds the nodes that could take a pod if they were Ready, schedulable and empty.

Two such nodes are remembered for each demand and requests of pods, so that most questions need no search.
"""

from __future__ import annotations

from itertools import islice

from fleet.core.capacity.node_usage import NodeUsage
from fleet.core.objects.demand import Demand, lasts
from fleet.core.objects.node import Node, Resources
from fleet.core.objects.pod import Pod
from fleet.core.objects.volumes import ClusterVolumes

EMPTY = NodeUsage()


class EligibleNodes:
    """The eligible nodes of one cluster; updated with each change of a node."""

    def __init__(self, volumes: ClusterVolumes) -> None:
        self._volumes = volumes
        self._nodes: dict[str, Node] = {}
        self._shape = 0
        """Counts the changes that affect eligibility: a node was added or deleted, or its labels, lasting taints or
        size changed."""
        self._known: dict[tuple[Demand, Resources], tuple[int, list[str]]] = {}
        """The results of the searches, by demand and requests: the value of `_shape` at the time of the search, and the
        names of at most two nodes."""

    def upsert_node(self, node: Node) -> None:
        """Records a node that was added or changed."""
        before = self._nodes.get(node.name)
        self._shape += before is None or _shape_of(before) != _shape_of(node)
        self._nodes[node.name] = node

    def delete_node(self, name: str) -> None:
        """Records that the node is gone."""
        self._shape += self._nodes.pop(name, None) is not None

    def is_only_node(self, name: str, pod: Pod) -> bool:
        """Returns whether no other node than this one could take the pod, by node selector, affinity, volumes, lasting
        taints and size."""
        demand, requests = Demand.of(pod, self._volumes), pod.requests
        shape, names = self._known.get((demand, requests), (-1, []))
        if shape != self._shape:
            if len(names) < 2 or not all(self._could(candidate, demand, requests) for candidate in names):
                names = list(islice((node for node in self._nodes if self._could(node, demand, requests)), 2))
            self._known[demand, requests] = self._shape, names
        return names == [name]

    def _could(self, name: str, demand: Demand, requests: Resources) -> bool:
        node = self._nodes.get(name)
        return node is not None and demand.could_fit(node) and EMPTY.holds(requests, node.allocatable)


def _shape_of(node: Node) -> tuple[object, ...]:
    """Returns the properties of the node that affect eligibility."""
    return node.labels, [taint for taint in node.taints if lasts(taint)], node.allocatable
