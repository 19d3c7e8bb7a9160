"""The notices in objects, locks and pods of third parties about the nodes of one cluster
(`third_parties/notice.py`)."""

from __future__ import annotations

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod
from fleet.core.objects.workload import Workload
from fleet.core.rollout.event import ClusterObject
from fleet.core.third_parties.maintenance import Maintenance
from fleet.core.third_parties.notice import Notice, of_locks, of_maintenance, of_node, of_pod

NoticeSource = tuple[str, ...]
"""Identifies the object that a notice was read from."""


class Notices:
    """The notices of one cluster by node; updated with each change of an object."""

    def __init__(self) -> None:
        self._of_source: dict[NoticeSource, dict[str, Notice]] = {}
        """Notices by source, then by node."""
        self._of_node: dict[str, dict[NoticeSource, Notice]] = {}
        self._in_node: dict[str, tuple[Notice, ...]] = {}
        """The notices in the Nodes themselves, by node; Nodes without notices are left out."""

    def of(self, node: str) -> list[Notice]:
        """Returns the notices of the node, first those in the Node itself."""
        return [*self._in_node.get(node, ()), *self._of_node.get(node, {}).values()]

    def upsert(self, obj: ClusterObject) -> set[str]:
        """Records an object that was added or changed; returns the nodes for which the notices in other objects than the
        Node have changed."""
        match obj:
            case Pod():  # First, since most objects are pods.
                notice = of_pod(obj)
                if notice is None and not self._of_source:
                    return set()
                return self._replace(obj, {obj.node: notice} if notice is not None else {})
            case Node():
                self._in_node.pop(obj.name, None)
                if notices := tuple(of_node(obj)):
                    self._in_node[obj.name] = notices
                return set()
            case Maintenance():
                notice = of_maintenance(obj)
                return self._replace(obj, {obj.node: notice} if notice is not None else {})
            case Workload():
                return self._replace(obj, dict(of_locks(obj)) if obj.locks else {})
            case _:
                return set()

    def delete(self, obj: ClusterObject) -> set[str]:
        """Removes an object; returns what `upsert` returns."""
        if isinstance(obj, Node):
            self._in_node.pop(obj.name, None)
            return set()
        return self._replace(obj, {}) if self._of_source else set()

    def _replace(self, obj: ClusterObject, notices: dict[str, Notice]) -> set[str]:
        """Replaces the notices of an object by `notices`, one for each node; returns the nodes whose notices have
        changed."""
        source = _source(obj)
        before = self._of_source.get(source, {})
        if before == notices:
            return set()
        for node in before:
            of_node = self._of_node[node]
            del of_node[source]
            if not of_node:
                del self._of_node[node]
        for node, notice in notices.items():
            self._of_node.setdefault(node, {})[source] = notice
        if notices:
            self._of_source[source] = notices
        else:
            del self._of_source[source]
        return before.keys() | notices.keys()


def notices_by_node(snapshot: Snapshot) -> dict[str, list[Notice]]:
    """Returns the notices of a snapshot by node. Nodes without notices are left out."""
    notices = Notices()
    for obj in snapshot.objects():
        notices.upsert(obj)
    by_node = {node.name: notices.of(node.name) for node in snapshot.nodes}
    return {name: node_notices for name, node_notices in by_node.items() if node_notices}


def _source(obj: ClusterObject) -> NoticeSource:
    if isinstance(obj, Maintenance):
        return obj.key
    return (type(obj).__name__, obj.uid)
