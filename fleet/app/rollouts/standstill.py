"""Finds whether the fleet stands still because no controller is at work."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from fleet.app.rollouts.background import controller_of
from fleet.app.wiring.home import Home
from fleet.core.reporting.standstill import MidAir, Standstill
from fleet.core.rollout.steps import HAS_SLOT
from fleet.core.text.natural_order import natural
from fleet.system.clock import WallClock

if TYPE_CHECKING:
    from fleet.core.rollout.rollout import Rollout


def standstill(home: Home, rollouts: Iterable[Rollout]) -> Standstill | None:
    """Returns the standstill of rollouts for which no controller is at work. None while one is, or where nothing is
    left to do. Controllers lead by the wall clock, also in a simulated home."""
    if controller_of(home):
        return None
    now = WallClock().now()
    until = home.store.lease.ended()
    return standstill_of(rollouts, min(until, now) if until is not None else None, now)


def standstill_of(rollouts: Iterable[Rollout], since: datetime | None, now: datetime) -> Standstill | None:
    """Returns the standstill of rollouts, given that no controller is at work. None where nothing is left to do."""
    active = [rollout for rollout in rollouts if rollout.active]
    if not active:
        return None
    mid_air = [
        MidAir(run.node.cluster, run.node.name, str(run.step), rollout.id)
        for rollout in active
        for run in rollout.runs.values()
        if run.step in HAS_SLOT
    ]
    mid_air.sort(key=lambda ref: (ref.cluster, natural(ref.node)))
    return Standstill(now, since, tuple(rollout.id for rollout in active), tuple(mid_air))
