"""Which pods of a drain are in work: those of the lowest order, for as long as each of them may take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from fleet.core.objects.pod import Pod
from fleet.core.policy.treatment import EVICTED, OWN_TIME, Treatment
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.state.agenda import EngineState
from fleet.core.steps.common import expired


class DrainWave(NamedTuple):
    order: int
    pods: tuple[tuple[Pod, Treatment], ...]
    own_time: bool
    """Somebody in it has a time of their own."""

    def limit(self, treated: Treatment, seconds: int) -> int | None:
        """Seconds that a pod of this part may take; None: its time has not begun. `seconds`: the drain's own."""
        if treated.do in OWN_TIME:
            return seconds if treated.timeout_seconds is None else treated.timeout_seconds
        return None if self.own_time else seconds


def wave_of(agenda: EngineState, run: Run, left: Sequence[Pod]) -> DrainWave:
    """`left`: what is still to be drained, at least one pod."""
    view = agenda.view(run.node.cluster)
    if view.has_default_treatment(run.node.name):
        return DrainWave(EVICTED.order, tuple((pod, EVICTED) for pod in left), own_time=False)
    treated = [(pod, view.treatment(pod)) for pod in left]
    order = min(each.order for _, each in treated)
    pods = tuple((pod, each) for pod, each in treated if each.order == order)
    return DrainWave(order, pods, any(each.do in OWN_TIME for _, each in pods))


def overdue(
    agenda: EngineState, rollout: Rollout, run: Run, part: DrainWave, now: datetime
) -> tuple[list[Pod], int]:
    """Returns the pods that have had their time, and how many seconds that was; none: all may go on."""
    since = agenda.wave_since(run.node, (part.order, not part.own_time), run.since or now, now)
    seconds = rollout.pool(run).drain.timeout_seconds
    treatments = {each for _, each in part.pods}
    for limit in sorted({found for each in treatments if (found := part.limit(each, seconds)) is not None}):
        if expired(agenda, rollout, run, limit, now, since):
            late = [pod for pod, each in part.pods if part.limit(each, seconds) == limit]
            return late, limit
    return [], 0
