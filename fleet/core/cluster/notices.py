"""The notices in objects, locks and pods of third parties about the nodes of one cluster
(`third_parties/notice.py`)."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.pod import Pod
from fleet.core.objects.workload import Workload
from fleet.core.rollout.event import ClusterObject
from fleet.core.third_parties.maintenance import Maintenance
from fleet.core.third_parties.notice import Notice, of_locks, of_maintenance, of_node, of_pod

NoticeSource = tuple[str, ...]
"""Identifies the object that a notice was read from."""


class Notices:
    """The notices of one cluster by node, without those in the Nodes themselves; updated with each change of an
    object."""

    def __init__(self) -> None:
        self._of_source: dict[NoticeSource, dict[str, Notice]] = {}
        """Notices by source, then by node."""
        self._of_node: dict[str, dict[NoticeSource, Notice]] = {}

    def of(self, node: str) -> Iterable[Notice]:
        """Returns the notices of the node."""
        return self._of_node.get(node, {}).values()

    def upsert(self, thing: ClusterObject) -> set[str]:
        """Records an object that was added or changed; returns the nodes whose notices have changed."""
        match thing:
            case Maintenance():
                notice = of_maintenance(thing)
                return self._say(thing, {thing.node: notice} if notice is not None else {})
            case Workload():
                return self._say(thing, dict(of_locks(thing)) if thing.locks else {})
            case Pod():
                notice = of_pod(thing)
                return self._say(thing, {thing.node: notice} if notice is not None else {})
            case _:
                return set()

    def delete(self, thing: ClusterObject) -> set[str]:
        """Removes an object; returns the nodes whose notices have changed."""
        return self._say(thing, {})

    def _say(self, thing: ClusterObject, now: dict[str, Notice]) -> set[str]:
        """Replaces the notices of an object by `now`, one for each node; returns the nodes whose notices have
        changed."""
        source = _source(thing)
        before = self._of_source.get(source, {})
        if before == now:
            return set()
        for node in before:
            said = self._of_node[node]
            del said[source]
            if not said:
                del self._of_node[node]
        for node, notice in now.items():
            self._of_node.setdefault(node, {})[source] = notice
        if now:
            self._of_source[source] = now
        else:
            del self._of_source[source]
        return before.keys() | now.keys()


def notices_by_node(snapshot: Snapshot) -> dict[str, list[Notice]]:
    """Returns the notices of a snapshot by node, those in the Nodes themselves included. Nodes without notices are left
    out."""
    notices = Notices()
    for thing in snapshot.things():
        notices.upsert(thing)
    said = {node.name: [*of_node(node), *notices.of(node.name)] for node in snapshot.nodes}
    return {name: found for name, found in said.items() if found}


def _source(thing: ClusterObject) -> NoticeSource:
    if isinstance(thing, Maintenance):
        return thing.key
    return (type(thing).__name__, thing.uid)
