"""How long the parts of a run are expected to take: measured where there is history, assumed where there is none."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from statistics import median

from msgspec import Struct, field
from msgspec.structs import replace

from fleet.core.journal import Entry
from fleet.core.pod import Pod
from fleet.core.steps import Step

PARTS = ("stage", "reboot", "pod_stop", "pod_start")


class Times(Struct, frozen=True):
    """Seconds. `origin` says of each where it comes from, for the plan."""

    stage: float = 60.0
    """Write the image."""
    reboot: float = 90.0
    """From the request until the node is Ready on its new boot."""
    pod_stop: float = 5.0
    """From an eviction until the pod is gone; never more than its grace period."""
    pod_start: float = 10.0
    """From being bound to a node until Ready."""
    apps: dict[str, float] = {}
    """`pod_start` of the pods of one controller (`namespace/name`), where it is known to be another."""
    agent: float = 1.0
    """From a request until the machine's agent takes it up, and from its boot until it reports."""
    status: float = 0.2
    """From a change of pods until the status of their budget counts it."""
    p95: float = 1.25
    """Factor by which a slow run is longer."""
    origin: dict[str, str] = field(default_factory=lambda: dict.fromkeys(PARTS, "default"))

    def start_of(self, pod: Pod) -> float:
        """From being bound until Ready."""
        if pod.owner is None or not self.apps:
            return self.pod_start
        return self.apps.get(f"{pod.namespace}/{pod.owner.name}", self.pod_start)


ENOUGH = 5
"""Runs that must have ended before their times count for more than the defaults."""


def measured(entries: Iterable[Entry]) -> Times:
    """From the steps of all past runs: the median of staging, and of reboots until they were proven."""
    begun: dict[tuple[str, str], tuple[Step, datetime]] = {}
    spans: dict[Step, list[float]] = {}
    for entry in entries:
        record = entry.record
        if record.form != "decision" or record.kind != "step":
            continue
        run = (record.rollout, record.node)
        step, since = begun.get(run, (Step.PENDING, entry.at))
        after = Step(record.detail["to"])
        if after is Step.VERIFY:
            continue
        if after is not Step.FAILED:
            spans.setdefault(step, []).append((entry.at - since).total_seconds())
        begun[run] = (after, entry.at)
    times = Times()
    for part, step in (("stage", Step.STAGE), ("reboot", Step.REBOOT)):
        found = spans.get(step, [])
        if len(found) >= ENOUGH:
            origin = times.origin | {part: f"measured: {len(found)} runs"}
            times = replace(times, **{part: median(found)}, origin=origin)
    return times
