"""Measures how long evicted pods take to be gone, and how long their replacements take to be Ready, for the journal.

The stopwatch is kept beside the engine, which does not use the measurements. They serve later plans.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta

from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.planning.estimates import app_of
from fleet.core.rollout.action import Evict, Outcome, Result
from fleet.core.rollout.event import ClusterEvent, Deleted, Upserted
from fleet.core.rollout.record import PodsTimed

PATIENCE = timedelta(hours=1)
"""A replacement that is not Ready within this time is no longer waited for."""


class _Node:
    """The measurements of the pods of one node, in milliseconds."""

    def __init__(self, rollout: str, since: datetime) -> None:
        self.rollout = rollout
        self.since = since
        self.open = 0
        """The number of expected events that have not been seen: a pod is gone, or its replacement is Ready."""
        self.stop: list[int] = []
        self.start: dict[str, list[int]] = {}


class Stopwatch:
    """Measures the evictions of all nodes that are being drained."""

    def __init__(self) -> None:
        self._nodes: dict[NodeRef, _Node] = {}
        self._leaving: dict[tuple[str, str], tuple[NodeRef, Pod, datetime]] = {}
        """Pods whose eviction was sent, by cluster and uid of the pod."""
        self._awaited: dict[tuple[str, str], deque[NodeRef]] = {}
        """Nodes whose pods are to be replaced, by cluster and uid of the pods' owner."""
        self._bound: dict[tuple[str, str], datetime] = {}
        """Since when a replacement has been bound to its node, by cluster and uid of the replacement."""

    def sent(self, action: Evict, pod: Pod, now: datetime) -> None:
        """Starts to measure: an eviction has been sent."""
        key = (action.node.cluster, action.pod_uid)
        if key not in self._leaving:
            node = self._nodes.setdefault(action.node, _Node(action.rollout, now))
            node.open += 1
            if pod.owner is not None:
                node.open += 1
                owner = (action.node.cluster, pod.owner.uid)
                self._awaited.setdefault(owner, deque()).append(action.node)
        self._leaving[key] = (action.node, pod, now)

    def observe(self, event: ClusterEvent, now: datetime) -> None:
        """Takes in an event of a cluster: a pod is gone or Ready, or an eviction has been refused."""
        match event:
            case Outcome(Evict() as action, result) if result not in (Result.DONE, Result.UNKNOWN):
                self._refused(action)
            case Upserted(cluster, Pod() as pod):
                self._pod_upserted(cluster, pod, now)
            case Deleted(cluster, Pod() as pod):
                self._pod_deleted(cluster, pod, now)

    def _refused(self, action: Evict) -> None:
        left = self._leaving.pop((action.node.cluster, action.pod_uid), None)
        if left is None:
            return
        ref, pod, _ = left
        self._close(ref)
        if pod.owner is None:
            return
        awaited = self._awaited.get((ref.cluster, pod.owner.uid), deque())
        if ref in awaited:
            awaited.remove(ref)
            self._close(ref)

    def take(self, now: datetime) -> Iterator[PodsTimed]:
        """Yields the measurements of every node of which no more events are expected, or have been expected for longer
        than `PATIENCE`. Such a node is forgotten."""
        for ref, node in list(self._nodes.items()):
            if node.open <= 0 or now - node.since > PATIENCE:
                del self._nodes[ref]
                if node.stop or node.start:
                    yield PodsTimed(rollout=node.rollout, node=ref, stop=node.stop, start=node.start)

    def _pod_upserted(self, cluster: str, pod: Pod, now: datetime) -> None:
        key = (cluster, pod.uid)
        if pod.deleting or not pod.node or pod.owner is None:
            return
        if not pod.ready:
            if self._awaited.get((cluster, pod.owner.uid)):
                self._bound.setdefault(key, now)
            return
        since = self._bound.pop(key, None)
        if since is None:
            return
        awaited = self._awaited.get((cluster, pod.owner.uid))
        if not awaited:
            return
        ref = awaited.popleft()
        if ref in self._nodes:
            self._nodes[ref].start.setdefault(app_of(pod), []).append(_milliseconds(now - since))
            self._close(ref)

    def _pod_deleted(self, cluster: str, pod: Pod, now: datetime) -> None:
        self._bound.pop((cluster, pod.uid), None)
        left = self._leaving.pop((cluster, pod.uid), None)
        if left is None:
            return
        ref, _, since = left
        if ref in self._nodes:
            self._nodes[ref].stop.append(_milliseconds(now - since))
            self._close(ref)

    def _close(self, ref: NodeRef) -> None:
        node = self._nodes.get(ref)
        if node is not None:
            node.open -= 1


def _milliseconds(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)
