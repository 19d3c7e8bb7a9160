"""Computes how long the steps of a rollout's runs took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

from fleet.core.reporting.report import Duration, ReportRun
from fleet.core.rollout.steps import Step

TIMED = (Step.STAGE, Step.CORDON, Step.DRAIN, Step.REBOOT, Step.VERIFY, Step.UNCORDON, Step.SOAK)
"""The steps whose durations are reported, in order."""


def step_durations(runs: Sequence[ReportRun]) -> Iterator[Duration]:
    """Yields how long each step took where it succeeded, and how long whole runs took."""
    for step in TIMED:
        finished = [
            step_taken
            for run in runs
            for step_taken in run.steps
            if step_taken.step == step and step_taken.turn == "done"
        ]
        yield from _spread(
            str(step), [step_taken.seconds for step_taken in finished if step_taken.seconds is not None]
        )
    whole = [run.seconds for run in runs if run.ending == "done" and run.seconds is not None]
    yield from _spread("run", whole)


def _spread(step: str, seconds: Sequence[float]) -> Iterator[Duration]:
    if seconds:
        ranked = sorted(seconds)
        yield Duration(step, len(ranked), nearest(ranked, 0.5), nearest(ranked, 0.95), ranked[-1])


def nearest(ranked: Sequence[float], share: float) -> float:
    """Returns the smallest value that at least `share` of the values do not exceed (nearest rank). `ranked`: ascending,
    not empty."""
    return ranked[max(1, ceil(share * len(ranked))) - 1]
