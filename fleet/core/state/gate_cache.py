"""Whether runs that begin or wait together may begin at all now, asked once for all of them.

What a gate asks (`guards/gates.py`, windows) is the same for every run of a gate group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from fleet.core.guards import gates
from fleet.core.objects.node import NodeRef
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.state.wait_queue import WaitKey

HeldParams = Mapping[str, str | int]
Vacancies = Mapping[tuple[str, str], HeldParams]
"""By rollout and pool in which no node can be the next canary: the parameters of the message that says so."""
GateGroup = tuple[str, str, bool, str, str]
"""Runs that begin or wait together: rollout, pool, canaries or the rest; and cluster and site, if some have windows of
their own."""

TIMED = (Reason.WINDOW, Reason.FREEZE)


def group_of(rollout: Rollout, run: Run) -> GateGroup:
    goal = run.goal
    place = (goal.node.cluster, goal.site) if rollout.schedules.by_place else ("", "")
    return rollout.id, goal.pool, goal.canary, *place


def gate_key(rollout: Rollout, run: Run) -> WaitKey:
    """Returns the key that opens with the run's gate."""
    return WaitKey("gate", group_of(rollout, run))


class GateCache:
    def __init__(self, rollouts: Mapping[str, Rollout], vacancies: Vacancies = MappingProxyType({})) -> None:
        self._rollouts = rollouts
        self._vacancies = vacancies
        self._groups: dict[str, dict[GateGroup, NodeRef]] = {}
        """By rollout: a node that stands for each group."""
        self._found: dict[GateGroup, Held | None] = {}
        """What closes each gate, as this decision or the last one has found; None: open."""

    def add(self, rollout: Rollout) -> None:
        """Adds a rollout, or brings one up to date that has other canaries now."""
        before = self._groups.get(rollout.id, {})
        now = {group_of(rollout, run): run.node for run in rollout.runs.values()}
        self._groups[rollout.id] = now
        for group in before.keys() - now.keys():
            self._found.pop(group, None)

    def end(self, rollout: Rollout) -> None:
        for group in self._groups[rollout.id]:
            self._found.pop(group, None)

    @property
    def timed(self) -> bool:
        """Whether a closed window or a freeze is waited for: time alone will change something."""
        return any(held is not None and held.reason in TIMED for held in self._found.values())

    def ask(self, rollout: Rollout, run: Run, now: datetime) -> Held | None:
        """Returns what closes the run's gate at this moment, or None."""
        needed = timedelta(seconds=rollout.start.expected_seconds)
        held = gates.begin(rollout, run)
        if held is not None and held.reason is Reason.CANARY:
            return self._vacant(rollout, run.goal.pool, held) or held
        return held or rollout.schedule(run).held(now, needed)

    def _vacant(self, rollout: Rollout, pool: str, held: Held) -> Held | None:
        """Returns that no node can be the canary, so that this gate opens only once an operator has acted; else None."""
        if held.params["open"]:
            return None
        # A pool that needs no canary of its own waits for those of all others.
        pools = [pool] if rollout.required[pool] else list(rollout.required)
        found = [self._vacancies.get((rollout.id, each)) for each in pools]
        if first := next((each for each in found if each is not None), None):
            return Held(Reason.NO_CANARY, rollout.id, {**held.params, **first})
        return None

    def of(self, rollout: Rollout, run: Run, now: datetime) -> Held | None:
        """Returns what closes the run's gate, as this decision has found."""
        group = group_of(rollout, run)
        if group not in self._found:
            self._found[group] = self.ask(rollout, run, now)
        return self._found[group]

    def look(self, now: datetime) -> Iterator[WaitKey]:
        """Asks all gates anew, and yields the keys of those that have opened."""
        for ident, groups in self._groups.items():
            rollout = self._rollouts[ident]
            if rollout.active:
                for group, ref in groups.items():
                    before = self._found.get(group)
                    self._found[group] = self.ask(rollout, rollout.runs[ref], now)
                    if before is not None and self._found[group] is None:
                        yield WaitKey("gate", group)

    def opens(self, now: datetime) -> datetime | None:
        """Returns when the first window opens, or freeze ends, that is waited for; None: nothing of the kind is."""
        moments = []
        for group, held in self._found.items():
            if held is not None and held.reason in TIMED:
                rollout = self._rollouts[group[0]]
                needed = timedelta(seconds=rollout.start.expected_seconds)
                run = rollout.runs[self._groups[rollout.id][group]]
                moments.append(rollout.schedule(run).next_start(now, needed))
        return min((moment for moment in moments if moment is not None), default=None)
