"""Stores a rollout as it was at one entry of the journal, so that the entries before that one need not be replayed."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import astuple

from fleet.core.objects.node import NodeRef
from fleet.core.policy.times.calendar_events import CalendarEvents
from fleet.core.policy.times.freeze import Freeze
from fleet.core.rollout.action import AnyAction
from fleet.core.rollout.decisions import WorkloadsNoted
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.hooks.hook_state import HookPlace, HookState
from fleet.core.rollout.returning_pods import EvictionMemory
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.stages.gate_state import GatePoint, GateState
from fleet.core.rollout.steps import ENDED, RolloutState, Step


class RunCheckpoint(Struct, frozen=True, gc=False, array_like=True, omit_defaults=True):
    """The fields of `Run` in the same order, without the goal and the release, which the rollout contains."""

    step: Step = Step.PENDING
    since: datetime | None = None
    begun: datetime | None = None
    slot: bool = False
    boot_id: str = ""
    why: str = ""
    attempts: int = 0
    daemons: tuple[str, ...] = ()
    proof: dict[str, str] = {}
    rolled_back: str = ""
    log: str = ""
    identity: tuple[str, ...] = ()
    failed_units: tuple[str, ...] = ()
    evicted: dict[str, EvictionMemory] = {}
    asks: tuple[str, ...] = ()
    cancelled: bool = False
    labels: dict[str, str | None] = {}
    etcd: dict[str, str] = {}
    etcd_after: dict[str, str] = {}
    comes_again: bool = False


class RolloutCheckpoint(Struct, frozen=True, omit_defaults=True):
    """The state of a rollout and of its runs at one entry of the journal."""

    id: str
    start: Start
    started_at: datetime
    by: str
    state: RolloutState
    state_at: datetime
    state_by: str
    why: str = ""
    ended_at: datetime | None = None
    allowance: int = 0
    runs: tuple[RunCheckpoint, ...] = ()
    """In the order of the goals."""
    intents: tuple[AnyAction, ...] = ()
    acted: tuple[NodeRef, ...] = ()
    counter: int = 0
    needs_cleanup: tuple[NodeRef, ...] = field(default=(), name="untidy")
    goals: tuple[Goal, ...] = ()
    """The goals that have changed since the start: another node is the canary, or the node has another uid."""
    gates: tuple[tuple[GatePoint, str, GateState], ...] = ()
    """The gates that the rollout has reached, each with its point and name."""
    calendars: CalendarEvents | None = None
    """The calendars as they were read last. None: those of the plan."""
    freezes: tuple[Freeze, ...] | None = None
    """The freezes of fixed dates, where they are no longer those of the plan."""
    hooks: tuple[tuple[HookPlace, str, HookState], ...] = ()
    """The hooks that the rollout has started, each with its place and name."""
    noted: tuple[WorkloadsNoted, ...] = ()
    """How ready the workloads were before the nodes of a point with such a gate began."""


def take_checkpoint(rollout: Rollout) -> RolloutCheckpoint:
    """Returns a checkpoint of the rollout."""
    return RolloutCheckpoint(
        id=rollout.id,
        start=rollout.start,
        started_at=rollout.started_at,
        by=rollout.by,
        state=rollout.state,
        state_at=rollout.state_at,
        state_by=rollout.state_by,
        why=rollout.why,
        ended_at=rollout.ended_at,
        allowance=rollout.allowance,
        runs=tuple(_checkpoint_run(run) for run in rollout.runs.values()),
        intents=tuple(rollout.intents.values()),
        acted=tuple(sorted(rollout.acted)),
        counter=rollout.counter,
        needs_cleanup=tuple(sorted(rollout.needs_cleanup)),
        goals=tuple(now for goal in rollout.start.goals if (now := rollout.runs[goal.node].goal) != goal),
        gates=tuple((*key, state) for key, state in rollout.gates.items()),
        calendars=rollout.calendars,
        freezes=rollout.freezes,
        hooks=tuple((*key, state) for key, state in rollout.hooks.items()),
        noted=tuple(rollout.gates.noted.values()),
    )


def restore_checkpoint(checkpoint: RolloutCheckpoint) -> Rollout:
    """Returns the rollout that the checkpoint was taken of. Raises ValueError if its runs do not match its goals."""
    rollout = Rollout(checkpoint.id, checkpoint.start, checkpoint.started_at, checkpoint.by)
    rollout.state, rollout.state_at, rollout.state_by = (
        checkpoint.state,
        checkpoint.state_at,
        checkpoint.state_by,
    )
    rollout.why, rollout.ended_at, rollout.allowance = (
        checkpoint.why,
        checkpoint.ended_at,
        checkpoint.allowance,
    )
    if checkpoint.freezes is not None and checkpoint.calendars is not None:
        rollout.change_freezes(checkpoint.freezes, checkpoint.calendars.freezes)
    if checkpoint.calendars is not None:
        rollout.read_calendars(checkpoint.calendars)
    begun = list(rollout.runs.values())
    runs = [_restore_run(run, kept) for run, kept in zip(begun, checkpoint.runs, strict=True)]
    if rollout.stages is not None:
        for before, after in zip(begun, runs, strict=True):
            rollout.stages.change(before, after)
    rollout.runs = dict(zip(rollout.runs, runs, strict=True))
    rollout.counts = Counter(run.step for run in runs)
    rollout.open_in.subtract(Counter(run.goal.pool for run in runs if run.step in ENDED))
    rollout.gates.update({(point, name): state for point, name, state in checkpoint.gates})
    for place, name, state in checkpoint.hooks:
        rollout.hooks[place, name] = state
    rollout.gates.noted.update({(noted.point, noted.cluster): noted for noted in checkpoint.noted})
    for goal in checkpoint.goals:
        rollout.change_goal(goal)
    rollout.intents = {action.id: action for action in checkpoint.intents}
    rollout.acted, rollout.needs_cleanup = set(checkpoint.acted), set(checkpoint.needs_cleanup)
    rollout.counter = checkpoint.counter
    return rollout


def _checkpoint_run(run: Run) -> RunCheckpoint:
    return RunCheckpoint(*astuple(run)[2:])


def _restore_run(run: Run, kept: RunCheckpoint) -> Run:
    return Run(run.goal, run.release, *astuple(kept))
