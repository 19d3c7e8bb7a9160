"""Caches the result of a gate: whether the runs of a gate group may begin now. It is evaluated once for all of them.

What a gate asks (`guards/gates.py`, windows) is the same for every run of a gate group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from fleet.core.guards import gates
from fleet.core.objects.node import NodeRef
from fleet.core.policy.hooks.hook import HookMoment
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.hooks.hook_holds import HELD_BY_HOOKS
from fleet.core.rollout.hooks.hook_state import HookPlace
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.stages.gate_state import GatePoint
from fleet.core.state.wait_queue import WaitKey

HeldParams = Mapping[str, str | int]
Vacancies = Mapping[tuple[str, str], HeldParams]
"""The parameters of the reason's message, by rollout and pool in which no node can be the next canary."""


class GateGroup(NamedTuple):
    """Runs that begin or wait together."""

    rollout: str
    pool: str
    canary: bool
    """The canaries of the pool, or its other nodes."""
    stage: int = 0
    """The index of the runs' stage."""
    cluster: str = ""
    site: str = ""
    """Cluster and site are given if some have windows of their own; the site also if the stage goes by sites."""


TIMED = (Reason.WINDOW, Reason.FREEZE)


def group_of(rollout: Rollout, run: Run) -> GateGroup:
    goal = run.goal
    stage, site = rollout.stages.place(goal.node) if rollout.stages is not None else (0, "")
    if rollout.schedules.by_place:
        return GateGroup(rollout.id, goal.pool, goal.canary, stage, goal.node.cluster, goal.site)
    return GateGroup(rollout.id, goal.pool, goal.canary, stage, site=site)


def gate_key(rollout: Rollout, run: Run) -> WaitKey:
    """Returns the key that opens with the run's gate."""
    return WaitKey("gate", group_of(rollout, run))


class GateCache:
    def __init__(self, rollouts: Mapping[str, Rollout], vacancies: Vacancies = MappingProxyType({})) -> None:
        self._rollouts = rollouts
        self._vacancies = vacancies
        self._groups: dict[str, dict[GateGroup, NodeRef]] = {}
        """The gate groups of each rollout, each with a node that stands for the group."""
        self._closed_by: dict[GateGroup, Held | None] = {}
        """The reason that closes each gate, as last evaluated; None: the gate is open."""

    def add(self, rollout: Rollout) -> None:
        """Adds a rollout, or updates a rollout that has other canaries now."""
        before = self._groups.get(rollout.id, {})
        now = {group_of(rollout, run): run.node for run in rollout.runs.values()}
        self._groups[rollout.id] = now
        for group in before.keys() - now.keys():
            self._closed_by.pop(group, None)

    def end(self, rollout: Rollout) -> None:
        for group in self._groups[rollout.id]:
            self._closed_by.pop(group, None)

    @property
    def timed(self) -> bool:
        """True if runs wait for a window or the end of a freeze, so that time alone will change something."""
        return any(held is not None and held.reason in TIMED for held in self._closed_by.values())

    def evaluate(self, rollout: Rollout, run: Run, now: datetime) -> Held | None:
        """Returns the reason that closes the run's gate at this moment; None: the gate is open."""
        needed = timedelta(seconds=rollout.start.expected_seconds)
        held = gates.begin(rollout, run)
        if held is not None and held.reason is Reason.CANARY:
            return self._lacks_canary(rollout, run.goal.pool, held) or held
        return held or rollout.schedule(run).held(now, needed)

    def _lacks_canary(self, rollout: Rollout, pool: str, held: Held) -> Held | None:
        """Returns the reason `no-canary` if no node can be the canary, so that this gate opens only once an operator has
        acted; else None."""
        if held.params["open"]:
            return None
        # A pool that needs no canary of its own waits for those of all others.
        pools = [pool] if rollout.required[pool] else list(rollout.required)
        vacancies = [self._vacancies.get((rollout.id, pool)) for pool in pools]
        if first := next((params for params in vacancies if params is not None), None):
            return Held(Reason.NO_CANARY, rollout.id, {**held.params, **first})
        return None

    def held(self, rollout: Rollout, run: Run, now: datetime) -> Held | None:
        """Returns the reason that closes the run's gate, evaluated once in each decision."""
        group = group_of(rollout, run)
        if group not in self._closed_by:
            self._closed_by[group] = self.evaluate(rollout, run, now)
        return self._closed_by[group]

    def recheck(self, now: datetime) -> Iterator[WaitKey]:
        """Evaluates all gates again, and yields the keys of those that have opened."""
        for ident, groups in self._groups.items():
            rollout = self._rollouts[ident]
            if rollout.active:
                for group, ref in groups.items():
                    before = self._closed_by.get(group)
                    self._closed_by[group] = self.evaluate(rollout, rollout.runs[ref], now)
                    if before is not None and self._closed_by[group] is None:
                        yield WaitKey("gate", group)

    def rollout(self, ident: str) -> Rollout:
        return self._rollouts[ident]

    def points(self) -> Iterator[tuple[Rollout, GatePoint]]:
        """Yields the points whose gates keep runs from beginning, as last evaluated."""
        points = {
            (group.rollout, GatePoint(str(held.params["of"]), str(held.params["name"])))
            for group, held in self._closed_by.items()
            if held is not None and held.reason in (Reason.GATE, Reason.OPERATOR_GATE)
        }
        for ident, point in sorted(points):
            yield self._rollouts[ident], point

    def hook_places(self) -> Iterator[tuple[Rollout, HookPlace]]:
        """Yields the rollouts and stages whose hooks keep runs from beginning, as last evaluated."""
        places = {
            (group.rollout, HookPlace(HookMoment(str(held.params["moment"])), str(held.params["of"])))
            for group, held in self._closed_by.items()
            if held is not None and held.reason in HELD_BY_HOOKS
        }
        for ident, place in sorted(places):
            yield self._rollouts[ident], place

    def opens(self, now: datetime) -> datetime | None:
        """Returns the time at which the first window opens or freeze ends for which runs wait; None: no run waits for
        one."""
        moments = []
        for group, held in self._closed_by.items():
            if held is not None and held.reason in TIMED:
                rollout = self._rollouts[group.rollout]
                needed = timedelta(seconds=rollout.start.expected_seconds)
                moments.append(
                    rollout.schedules.of(group.pool, group.cluster, group.site).next_start(now, needed)
                )
        return min((moment for moment in moments if moment is not None), default=None)
