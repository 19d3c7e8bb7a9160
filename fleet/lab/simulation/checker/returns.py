"""Checks by the true events that a workload that comes back to the node under drain is not evicted again and again."""

from __future__ import annotations

from collections import Counter

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.pod import Pod
from fleet.lab.simulation.checker.ground_truth import NodeName

MOST = 3
"""The most evictions of pods of one workload that came back."""
LATE = 2
"""More pods that may be evicted: those that were gone before the drain began, which a controller may have counted."""
PAUSE = 4.0
"""The least seconds between two such evictions, from the third on."""


class EvictionCounts:
    def __init__(self) -> None:
        self._at_start: dict[NodeName, Counter[str]] = {}
        """The pods of each workload since the node's cordon, by node."""
        self._evicted: dict[tuple[NodeName, str], dict[str, tuple[float, float]]] = {}
        """When each pod's eviction was granted, in true time and by the controller's clock, by node and workload."""

    def cordoned(self, name: NodeName, now: Snapshot) -> None:
        self._at_start[name] = Counter(_workload(pod, now) for pod in now.pods if pod.node == name[1])
        for key in [key for key in self._evicted if key[0] == name]:
            del self._evicted[key]

    def granted(self, name: NodeName, pod: Pod, was: Snapshot, times: tuple[float, float]) -> str:
        """Returns what is wrong with an eviction that was granted; empty if nothing is."""
        workload = _workload(pod, was)
        evicted = self._evicted.setdefault((name, workload), {})
        if pod.uid in evicted:
            return ""
        evicted[pod.uid] = times
        back = len(evicted) - self._at_start.get(name, Counter())[workload]
        if back > MOST + LATE:
            return f"{workload} was evicted from {name[1]} {len(evicted)} times"
        if back > LATE:
            before = list(evicted.values())[-2]
            if max(times[0] - before[0], times[1] - before[1]) < PAUSE:
                return f"{workload} came back to {name[1]} {back} times and was evicted at once"
        return ""


def _workload(pod: Pod, snapshot: Snapshot) -> str:
    if pod.owner is None:
        return f"{pod.namespace}/{pod.name}"
    above = next((workload.owner for workload in snapshot.workloads if workload.uid == pod.owner.uid), None)
    return f"{pod.namespace}/{(above or pod.owner).name}"
