"""Decides which pods of a drain are evicted now: those of the lowest order, each for as long as it may take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fleet.core.objects.pod import Pod
from fleet.core.policy.treatment import EVICTED, OWN_TIME, Treatment
from fleet.core.steps.context import StepContext


class DrainWave(NamedTuple):
    """The pods of one order, which are drained together; the next order begins when they are gone."""

    order: int
    pods: tuple[tuple[Pod, Treatment], ...]
    own_time: bool
    """True: a pod of the wave has a timeout of its own."""

    def limit(self, treated: Treatment, seconds: int) -> int | None:
        """Returns the seconds that a pod of this wave may take; None: its time has not begun. `seconds`: the drain's own."""
        if treated.do in OWN_TIME:
            return seconds if treated.timeout_seconds is None else treated.timeout_seconds
        return None if self.own_time else seconds


def wave_of(context: StepContext, left: Sequence[Pod]) -> DrainWave:
    """Returns the wave that is in work. `left`: the pods that are still to be drained, at least one."""
    view = context.view
    if view.has_default_treatment(context.node.name):
        return DrainWave(EVICTED.order, tuple((pod, EVICTED) for pod in left), own_time=False)
    treated = [(pod, view.treatment(pod)) for pod in left]
    order = min(treatment.order for _, treatment in treated)
    pods = tuple((pod, treatment) for pod, treatment in treated if treatment.order == order)
    return DrainWave(order, pods, any(treatment.do in OWN_TIME for _, treatment in pods))


def overdue(context: StepContext, wave: DrainWave) -> tuple[list[Pod], int]:
    """Returns the pods whose time is over, and that time in seconds; no pods: all may go on."""
    run, now = context.run, context.now
    reached = (wave.order, not wave.own_time)
    since = context.state.drains.wave_since(run.node, reached, run.since or now, now)
    seconds = context.rollout.pool(run).drain.timeout_seconds
    treatments = {treatment for _, treatment in wave.pods}
    for limit in sorted(
        {
            seconds_allowed
            for treatment in treatments
            if (seconds_allowed := wave.limit(treatment, seconds)) is not None
        }
    ):
        if context.expired(limit, since):
            pods = [pod for pod, treatment in wave.pods if wave.limit(treatment, seconds) == limit]
            return pods, limit
    return [], 0
