"""The true state of the clusters, read from the models themselves: which nodes are out of service, and since when."""

from __future__ import annotations

from fleet.core.objects.attachment import Attachment
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.rollout.event import ClusterEvent, Deleted, Upserted
from fleet.lab.simulation.network import LATEST

LAG = LATEST + 4.0
"""Seconds after which a controller that is connected to a cluster must know a change there."""

NodeName = tuple[str, str]
"""The names of a cluster and of a node in it."""


class GroundTruth:
    def __init__(self) -> None:
        self.nodes: dict[NodeName, Node] = {}
        self.machines: dict[NodeName, Machine] = {}
        self._out_since: dict[NodeName, float] = {}
        self._lost_since: dict[str, float] = {}
        self._attachments: dict[tuple[str, str], tuple[float, Attachment]] = {}
        """Attachments by cluster and name, each with the time since when it exists."""
        self._moved = -LAG
        """When a node last changed its scope (pool, zone, cluster)."""

    def observe(self, at: float, event: ClusterEvent) -> None:
        """Applies an event of a model."""
        if isinstance(event, Upserted) and isinstance(event.obj, Node):
            self._upsert_node(at, (event.cluster, event.obj.name), event.obj)
        elif isinstance(event, Upserted) and isinstance(event.obj, Machine):
            self.machines[event.cluster, event.obj.name] = event.obj
        elif isinstance(event, Upserted) and isinstance(event.obj, Attachment):
            key = (event.cluster, event.obj.name)
            self._attachments[key] = (self._attachments.get(key, (at,))[0], event.obj)
        elif isinstance(event, Deleted) and isinstance(event.obj, Attachment):
            self._attachments.pop((event.cluster, event.obj.name), None)
        elif isinstance(event, Deleted) and isinstance(event.obj, Node):
            name = (event.cluster, event.obj.name)
            self.nodes.pop(name, None)
            self._out_since.pop(name, None)
            self._moved = at

    def reach(self, at: float, cluster: str, lost: bool) -> None:
        if lost:
            self._lost_since.setdefault(cluster, at)
        else:
            self._lost_since.pop(cluster, None)

    def known_out(self, at: float, name: NodeName) -> bool:
        """Returns whether the node is out of service for so long that a controller must know it, or its cluster does
        not answer."""
        lost = self._lost_since.get(name[0])
        if lost is not None and at - lost > LAG:
            return True
        since = self._out_since.get(name)
        return since is not None and at - since > LAG

    def attached(self, at: float, name: NodeName) -> list[Attachment]:
        """Returns the volumes that have been attached to the node for so long that a controller must know them."""
        attachments = [
            (since, attachment)
            for (cluster, _), (since, attachment) in self._attachments.items()
            if cluster == name[0]
        ]
        return [
            attachment for since, attachment in attachments if attachment.node == name[1] and at - since > LAG
        ]

    def unsettled(self, at: float) -> bool:
        """Returns whether a controller may not know yet which nodes belong to which limit."""
        return at - self._moved < LAG

    def _upsert_node(self, at: float, name: NodeName, node: Node) -> None:
        before = self.nodes.get(name)
        if before is not None and before.labels != node.labels:
            self._moved = at
        self.nodes[name] = node
        if node.unschedulable or node.ready is not True or node.deleting:
            self._out_since.setdefault(name, at)
        else:
            self._out_since.pop(name, None)
