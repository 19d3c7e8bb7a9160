"""The durations in a model cluster, and its failing nodes: the properties that a real cluster would have by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from random import Random
from typing import Literal

from msgspec import Struct

from fleet.core.releases.release import Release

Length = float | Callable[[Random, str], float]
"""Seconds: always the same, or drawn for a name (that of a node, or `namespace/workload`)."""

Failure = Literal["never-back", "old-version", "stage-fails", "not-ready", "unit-fails", "stays-starting"]
"""never-back: the machine does not come up again. old-version: it boots what it booted before. stage-fails: the
new image cannot be written. not-ready: it boots, and its kubelet does not become Ready. unit-fails: it boots, and a
unit of systemd fails that had not before. stays-starting: it boots, and systemd never ends its start."""


class SpreadLength(Struct, frozen=True):
    """A length that is drawn evenly between `low` and `high`, in seconds. The names in `named` always take their own."""

    low: float
    high: float
    named: dict[str, float] = {}

    def __call__(self, rng: Random, name: str) -> float:
        own = self.named.get(name)
        return self.low + (self.high - self.low) * rng.random() if own is None else own


def draw(length: Length, rng: Random, name: str) -> float:
    """Returns a length in seconds, never below zero."""
    return max(0.0, length(rng, name)) if callable(length) else length


@dataclass(frozen=True)
class ClusterBehaviour:
    """Lengths in seconds. A pod's lengths are drawn for `namespace/workload`, or for `namespace/pod` if it has no
    workload."""

    pod_start: Length = 8.0
    """From being bound to a node until Ready."""
    pod_restart: Length = 4.0
    """From a node's boot until a pod that had stayed there is Ready again."""
    pod_stop: Length = 5.0
    """From the deletionTimestamp until the pod is gone, at most its grace period."""
    stage: Length = 60.0
    stage_reports: int = 0
    """How often an agent reports its progress while it writes an image."""
    reboot: Length = 60.0
    """From when the machine goes down until its kubelet has reported the new boot."""
    agent: Length = 1.0
    """Until an agent sees a request."""
    detach: Length = 2.0
    """From the last pod of a volume being gone from a node until the volume is detached there."""
    budget: Length = 0.2
    """Until the disruption controller has written a budget's status, after pods or the budget changed."""
    workload: Length | None = 1.0
    """Until a workload's count of ready pods is written. None: it is never written (a planner does not read it)."""
    election: Length = 1.0
    """Until the voters of a quorum group that has lost its leader have another one."""
    rejoin: Length = 2.0
    """From a node's boot until its members of quorum groups answer."""
    catch_up: Length = 3.0
    """Until such a member has caught up with what was written meanwhile."""
    job_backoff: Length = 10.0
    """Until a Job starts a pod over."""
    monitor_grace: Length = 45.0
    """Until the Ready condition of a node that does not report is set to Unknown."""
    toleration: Length = 300.0
    """Until the pods of such a node are deleted."""
    failures: Mapping[str, Failure] = field(default_factory=dict)
    """Failures by node name. They last until the behaviour is changed."""
    defects: Mapping[str, Failure] = field(default_factory=dict)
    """Failures of every machine that boots a release, by its version."""

    def failure(self, name: str, release: Release | None) -> Failure | None:
        """Returns how the machine of that name fails when it boots the release, or writes it."""
        return self.failures.get(name) or (self.defects.get(release.version) if release is not None else None)


class SavedBehaviour(Struct, frozen=True):
    """The behaviour as data. Only constants and `SpreadLength`s can be saved."""

    lengths: dict[str, float | SpreadLength | None]
    stage_reports: int
    failures: dict[str, Failure]
    defects: dict[str, Failure] = {}

    @classmethod
    def of(cls, behaviour: ClusterBehaviour) -> SavedBehaviour:
        """Returns the behaviour as data. Raises TypeError for a length that is any other function."""
        lengths: dict[str, float | SpreadLength | None] = {}
        for length_field in fields(behaviour):
            if length_field.name in ("stage_reports", "failures", "defects"):
                continue
            value = getattr(behaviour, length_field.name)
            if value is not None and not isinstance(value, (float, int, SpreadLength)):
                raise TypeError(f"{length_field.name} is a function, which cannot be saved")
            lengths[length_field.name] = value
        return cls(lengths, behaviour.stage_reports, dict(behaviour.failures), dict(behaviour.defects))

    def restore(self) -> ClusterBehaviour:
        return ClusterBehaviour(
            **self.lengths,  # type: ignore[arg-type]
            stage_reports=self.stage_reports,
            failures=self.failures,
            defects=self.defects,
        )
