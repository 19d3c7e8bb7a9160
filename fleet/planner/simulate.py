"""Runs the engine on models of clusters, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from fleet.core.engine.decision import Decision
from fleet.core.engine.engine import Engine
from fleet.core.rollout.action import AnyAction, Evict, Reboot, Result
from fleet.model.model import Model
from fleet.planner.recorder import PlanRecorder

HORIZON = timedelta(days=60)
"""The simulation ends here, whatever still waits."""

Progress = Callable[[int, int], None]
"""Called with how many runs have ended, of how many."""


def silent(ended: int, total: int) -> None:
    """Shows no progress, for a plan that no user waits for."""


def simulate(
    engine: Engine,
    models: Mapping[str, Model],
    table: PlanRecorder,
    start: datetime,
    report: Progress = silent,
) -> None:
    """Runs until nothing changes any more, or `HORIZON` has passed. `table` records the events with their times."""
    at, end = 0.0, HORIZON.total_seconds()
    working = [rollout for rollout in engine.rollouts.values() if rollout.active]
    runs = sum(len(rollout.runs) for rollout in working)
    while at <= end:
        now = start + timedelta(seconds=at)
        for model in models.values():
            for moment, event in model.advance(at):
                table.observed(event, moment)
                engine.observe(event, now)
        decision = engine.decide(now)
        table.decided(decision, at)
        report(runs - sum(rollout.remaining for rollout in working), runs)
        for action in decision.actions:
            outcome = models[action.node.cluster].perform(action, at)
            table.performed(outcome, at, _budgets(engine, action))
            if isinstance(action, Reboot) and action.quorums and outcome.result is Result.DONE:
                run = engine.rollouts[action.rollout].runs[action.node]
                table.rebooted(action.node, engine.absences(action.node), at, run.goal.etcd)
            engine.observe(outcome, now)
        if engine.idle:
            break
        following = _next(engine, models.values(), decision, at, start)
        if following is None:
            break
        at = following


def _budgets(engine: Engine, action: AnyAction) -> tuple[str, ...]:
    """Returns the budgets that match the pod of an eviction, as `namespace/name`."""
    if not isinstance(action, Evict):
        return ()
    view = engine.views[action.node.cluster]
    pod = view.pods.get(action.pod_uid)
    return tuple(map(str, view.budget_index.refs_of(pod))) if pod is not None else ()


def _next(
    engine: Engine, models: Collection[Model], decision: Decision, at: float, start: datetime
) -> float | None:
    """Returns the next moment at which anything can change, in seconds since the start; None if nothing will by itself."""
    moments = [moment for model in models if (moment := model.next_at()) is not None]
    if decision.actions:
        moments.append(at)
    working = any(rollout.working for rollout in engine.rollouts.values())
    if decision.wake is not None and (working or engine.timed):
        moments.append((decision.wake - start).total_seconds())
    return max(at, min(moments)) if moments else None
