"""Runs the engine on models of clusters, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from fleet.core.engine.decision import Decision
from fleet.core.engine.engine import Engine
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.rollout.action import AnyAction, Evict, Reboot, Result
from fleet.core.rollout.decisions import StepFinished
from fleet.model.model import Model
from fleet.planner.recorder import PlanRecorder

QUIET = timedelta(days=60).total_seconds()
"""The simulation ends when no run has taken a step for so long, whatever still waits."""
RARE_OPENINGS = 2
"""So many waits in a row that are longer than that, as for windows that open once a year, do not end it."""
FURTHEST = timedelta(days=3653).total_seconds()
"""A plan looks ten years ahead at most, as windows do."""

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
    """Runs until nothing changes any more, or nothing has got on for a long time. `table` records the events with their
    times."""
    at, stepped, rare = 0.0, 0.0, 0
    working = [rollout for rollout in engine.rollouts.values() if rollout.active]
    runs = sum(len(rollout.runs) for rollout in working)
    while at <= FURTHEST:
        now = start + timedelta(seconds=at)
        for cluster, model in models.items():
            known = engine.views[cluster].pods
            for moment, event in model.advance(at):
                table.observed(event, moment, known)
                engine.observe(event, now)
        decision = engine.decide(now)
        table.decided(decision, at)
        report(runs - sum(rollout.remaining for rollout in working), runs)
        for action in decision.actions:
            outcome = models[action.node.cluster].perform(action, at)
            table.performed(outcome, at, *_evicted(engine, action))
            if isinstance(action, Reboot) and action.quorums and outcome.result is Result.DONE:
                run = engine.rollouts[action.rollout].runs[action.node]
                table.rebooted(action.node, engine.absences(action.node), at, run.goal.etcd)
            engine.observe(outcome, now)
        if engine.idle:
            break
        following = _next(engine, models.values(), decision, at, start)
        if following is None:
            break
        if any(isinstance(record, StepFinished) for record in decision.log):
            stepped, rare = at, 0
        if following - at > QUIET and rare < RARE_OPENINGS:
            rare, stepped = rare + 1, following
        elif following - stepped > QUIET:
            break
        at = following


def _evicted(engine: Engine, action: AnyAction) -> tuple[Pod | None, tuple[PodRef, ...]]:
    """Returns the pod of an eviction, if it is known, and the budgets that match the pod."""
    if not isinstance(action, Evict):
        return None, ()
    view = engine.views[action.node.cluster]
    pod = view.pods.get(action.pod_uid)
    return pod, (view.budget_index.refs_of(pod) if pod is not None else ())


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
