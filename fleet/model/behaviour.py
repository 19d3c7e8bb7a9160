"""How long things take in a model cluster, and which nodes fail: all that a real cluster would decide by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from random import Random
from typing import Literal

from msgspec import Struct

Length = float | Callable[[Random, str], float]
"""Seconds: always the same, or drawn for a name (a node's, or `namespace/workload`)."""

Failure = Literal["never-back", "old-version", "stage-fails", "not-ready", "unit-fails", "stays-starting"]
"""never-back: the machine does not come up again. old-version: it boots what it booted before. stage-fails: the
new image cannot be written. not-ready: it boots, and its kubelet does not become Ready. unit-fails: it boots, and a
unit of systemd fails that had not before. stays-starting: it boots, and systemd never ends its start."""


class SpreadLength(Struct, frozen=True):
    """Seconds, even between `low` and `high`; `named` names always take their own."""

    low: float
    high: float
    named: dict[str, float] = {}

    def __call__(self, rng: Random, name: str) -> float:
        own = self.named.get(name)
        return self.low + (self.high - self.low) * rng.random() if own is None else own


def draw(length: Length, rng: Random, name: str) -> float:
    """Never below zero."""
    return max(0.0, length(rng, name)) if callable(length) else length


@dataclass(frozen=True)
class ClusterBehaviour:
    """All times in seconds. The name given to a pod's lengths is `namespace/workload`, else `namespace/pod`."""

    pod_start: Length = 8.0
    """From being bound to a node until Ready."""
    pod_restart: Length = 4.0
    """From a node's boot until a pod that had stayed there is Ready again."""
    pod_stop: Length = 5.0
    """From the deletionTimestamp until the pod is gone, at most its grace period."""
    stage: Length = 60.0
    stage_reports: int = 0
    """How often an agent tells its progress while it writes an image."""
    reboot: Length = 60.0
    """From the machine's going down until its kubelet has told the new boot."""
    agent: Length = 1.0
    """Until an agent sees a request."""
    detach: Length = 2.0
    """From the last pod of a volume being gone from a node until the volume is detached there."""
    budget: Length = 0.2
    """Until the disruption controller has written a budget's status, after pods or the budget changed."""
    workload: Length | None = 1.0
    """Until a workload's count of ready pods is written. None: it never is (a planner does not read it)."""
    election: Length = 1.0
    """Until the voters of a quorum group that has lost its leader have another one."""
    rejoin: Length = 2.0
    """From a node's boot until its members of quorum groups answer."""
    catch_up: Length = 3.0
    """Until such a member has what was written meanwhile."""
    job_backoff: Length = 10.0
    """Until a Job starts a pod over."""
    monitor_grace: Length = 45.0
    """Until a node that is not heard of is called Unknown."""
    toleration: Length = 300.0
    """Until the pods of such a node are deleted."""
    failures: Mapping[str, Failure] = field(default_factory=dict)
    """By node name. They last until the behaviour is another."""


class SavedBehaviour(Struct, frozen=True):
    """A behaviour as data. Only constants and `SpreadLength`s can be saved."""

    lengths: dict[str, float | SpreadLength | None]
    stage_reports: int
    failures: dict[str, Failure]

    @classmethod
    def of(cls, behaviour: ClusterBehaviour) -> SavedBehaviour:
        """Raises TypeError for a length that is any other function."""
        lengths: dict[str, float | SpreadLength | None] = {}
        for each in fields(behaviour):
            if each.name in ("stage_reports", "failures"):
                continue
            value = getattr(behaviour, each.name)
            if value is not None and not isinstance(value, (float, int, SpreadLength)):
                raise TypeError(f"{each.name} is a function, which cannot be saved")
            lengths[each.name] = value
        return cls(lengths, behaviour.stage_reports, dict(behaviour.failures))

    def restore(self) -> ClusterBehaviour:
        return ClusterBehaviour(
            **self.lengths,  # type: ignore[arg-type]
            stage_reports=self.stage_reports,
            failures=self.failures,
        )
