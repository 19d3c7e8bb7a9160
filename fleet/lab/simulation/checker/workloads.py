"""The true readiness of the workloads, to judge what the engine notes and measures of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fleet.core.objects.workload import Workload
from fleet.core.rollout.event import ClusterEvent, Deleted, Upserted
from fleet.lab.simulation.checker.ground_truth import LAG


class ReadyPods(NamedTuple):
    at: float
    ready: int
    replicas: int
    """Both are zero for a workload that is gone."""


class WorkloadHistory:
    def __init__(self) -> None:
        self._of: dict[tuple[str, str], list[ReadyPods]] = {}
        """The changes of each workload, by its cluster and its name as the journal has it."""

    def observe(self, at: float, event: ClusterEvent) -> None:
        """Applies an event of a model."""
        if isinstance(event, Upserted | Deleted) and isinstance(event.obj, Workload):
            workload = event.obj
            gone = isinstance(event, Deleted)
            now = ReadyPods(at, 0, 0) if gone else ReadyPods(at, workload.ready, workload.replicas)
            self._of.setdefault((event.cluster, f"{workload.kind} {workload.ref}"), []).append(now)

    def wrongly_noted(self, at: float, cluster: str, noted: Mapping[str, int]) -> Iterator[str]:
        """Yields the workloads that never had so many Ready pods in the time that a controller may have seen last."""
        for name, ready in noted.items():
            if not any(each.ready == ready for each in self._recent(at, cluster, name)):
                yield f"{cluster}: {name} is noted with {ready} ready pods"

    def less_ready(self, at: float, before: Mapping[str, Mapping[str, int]]) -> str:
        """Returns a workload that has had fewer Ready pods than before, and than it has replicas, for so long that a
        controller must know. Empty: none has. `before`: by cluster and workload."""
        for cluster, noted in before.items():
            for name, ready in noted.items():
                recent = self._recent(at, cluster, name)
                if not any(each.ready >= min(ready, each.replicas) for each in recent):
                    return f"{cluster}: {name} had {ready} ready pods before"
        return ""

    def _recent(self, at: float, cluster: str, name: str) -> Iterator[ReadyPods]:
        changes = self._of.get((cluster, name), [])
        for index, change in enumerate(changes):
            if index + 1 == len(changes) or changes[index + 1].at > at - LAG:
                yield change
