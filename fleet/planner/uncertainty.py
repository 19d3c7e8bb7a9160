"""Estimates how certain a plan's makespan is: its p95 if enough runs were measured, else how far off it may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from math import isfinite
from random import Random

from fleet.core.planning.estimates import LEAST, PARTS, POD_PARTS, QUICK, SLOW, DurationEstimates, EstimateKey
from fleet.core.planning.plan import Assumed, PlannedRun
from fleet.core.policy.policy import Policy
from fleet.core.rollout.steps import Step
from fleet.planner.rehearsal import Activity, Lengths, p95, rehearsal, rehearse

AS_PLANNED = (1.0,)


def uncertainty(
    runs: Sequence[PlannedRun],
    policy: Policy,
    start: datetime,
    run_seconds: int,
    groups: Mapping[str, Mapping[str, EstimateKey]],
    times: DurationEstimates,
) -> tuple[float | None, Assumed | None]:
    """Returns the p95 of the plan in seconds, if enough was measured, and how far off the plan may be if nothing was.
    `run_seconds`: the p95 of one run, which must fit into a window."""
    images = any(step.step == Step.STAGE and step.end > step.start for run in runs for step in run.steps)
    pods = any(run.evictions for run in runs)
    parts = ["stage"] * images + ["reboot"] * bool(runs) + list(POD_PARTS) * pods
    used = {groups[run.cluster][run.node] for run in runs}
    unknown = [
        part for part in parts if any(not times.estimate(part, *_of(part, group)).samples for group in used)
    ]

    def drawn(group: EstimateKey) -> Lengths:
        return Lengths(*(times.spread(part, *_of(part, group)) or AS_PLANNED for part in PARTS))

    def at(seconds: Mapping[str, float]) -> Callable[[EstimateKey], Lengths]:
        def assumed(group: EstimateKey) -> Lengths:
            estimates = (times.estimate(part, *_of(part, group)) for part in PARTS)
            return Lengths(
                *(
                    AS_PLANNED if estimate.samples else (seconds[estimate.part] / max(LEAST, estimate.p50),)
                    for estimate in estimates
                )
            )

        return assumed

    def activities(lengths: Callable[[EstimateKey], Lengths]) -> list[Activity]:
        return rehearsal(runs, policy, start, timedelta(seconds=run_seconds), groups, lengths)

    if unknown:
        quick, slow = (rehearse(activities(at(seconds)), Random(0)) for seconds in (QUICK, SLOW))  # noqa: S311
        assumed_seconds = {part: (QUICK[part], SLOW[part]) for part in unknown}
        return None, Assumed(quick, slow if isfinite(slow) else None, assumed_seconds)
    enough = all(times.spread(part, *_of(part, group)) for part in parts for group in used)
    return p95(activities(drawn)) if runs and enough else None, None


def _of(part: str, group: EstimateKey) -> EstimateKey:
    """Returns the group whose measured durations count for a part of a run: those of pods are the same for all groups."""
    return ("", "") if part in POD_PARTS else group
