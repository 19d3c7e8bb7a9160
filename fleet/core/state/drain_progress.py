"""The progress of the drains of nodes that is not in the journal: the times since which pods are being evicted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod


class DrainProgress:
    def __init__(self) -> None:
        self._waves: dict[NodeRef, tuple[tuple[int, bool], datetime]] = {}
        """The current wave of each node: the order of its pods, whether the pods with a time of their own have gone, and
        since when."""
        self._returned_since: dict[tuple[NodeRef, str], datetime] = {}
        """The time at which a pod that came back to its node was first seen, by node and the pod's uid."""
        self._at_start: dict[NodeRef, frozenset[str]] = {}
        """The uids of the pods that were on a drained node when its drain was first looked at, by node."""
        self._last_eviction: dict[NodeRef, dict[str, datetime]] = {}
        """The time of the last eviction of a workload's pods from a drained node, by node and workload."""

    def wave_since(self, ref: NodeRef, wave: tuple[int, bool], first: datetime, now: datetime) -> datetime:
        """Returns since when the node's drain has been at this wave, or at a later one. The first wave began at `first`."""
        latest = self._waves.get(ref)
        if latest is None or wave > latest[0]:
            latest = self._waves[ref] = (wave, first if latest is None else now)
        return latest[1]

    def empty_since(self, ref: NodeRef, first: datetime, now: datetime) -> datetime:
        """Returns since when no pod with a time of its own keeps the node.

        What else a reboot presumes shares the time of the pods without a time of their own. `first`: the start for a
        node on which no pod had to go.
        """
        latest = self._waves.get(ref)
        return self.wave_since(ref, (latest[0][0] if latest is not None else 0, True), first, now)

    def begin(self, ref: NodeRef, pods: Iterable[Pod]) -> None:
        """Records the pods that are on a drained node. Only the first of several calls counts."""
        if ref not in self._at_start:
            self._at_start[ref] = frozenset(pod.uid for pod in pods)

    def was_there_at_start(self, ref: NodeRef, pod_uid: str) -> bool:
        """Returns whether the pod was on the node when this controller first looked at its drain."""
        return pod_uid in self._at_start.get(ref, ())

    def end(self, ref: NodeRef) -> None:
        """Forgets the node's drain, which is over."""
        self._waves.pop(ref, None)
        self._at_start.pop(ref, None)
        self._last_eviction.pop(ref, None)

    def forget_pod(self, ref: NodeRef, pod_uid: str) -> None:
        """Forgets a pod that is gone."""
        self._returned_since.pop((ref, pod_uid), None)

    def returned_since(self, ref: NodeRef, pod_uid: str, now: datetime) -> datetime:
        """Returns since when the pod is known to have come back to its node: since now, at the first look."""
        return self._returned_since.setdefault((ref, pod_uid), now)

    def last_eviction(self, ref: NodeRef, workload: str) -> datetime | None:
        """Returns when the last eviction of the workload's pods from the node was issued, by this controller."""
        return self._last_eviction.get(ref, {}).get(workload)

    def latest_eviction(self, ref: NodeRef) -> datetime | None:
        """Returns when the last eviction from the node was issued, by this controller."""
        return max(self._last_eviction.get(ref, {}).values(), default=None)

    def eviction_issued(self, ref: NodeRef, workload: str, now: datetime) -> None:
        """Records that a pod of this workload is evicted."""
        self._last_eviction.setdefault(ref, {})[workload] = now
