"""Decides which nodes stage next. Images are written ahead while nodes work, on a limited number of machines of a pool
at once."""

from __future__ import annotations

from datetime import datetime

from fleet.core.engine.gate_cache import GateGroup, group_of
from fleet.core.guards import gates
from fleet.core.guards.context import context_of
from fleet.core.guards.guards import Moment, held_at
from fleet.core.objects.node import NodeRef
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step
from fleet.core.state.indexes.engine_index import EngineIndex


class Staging:
    """Chooses the runs that stage, within the limit of each pool (`stage.concurrency`)."""

    def __init__(self, index: EngineIndex) -> None:
        self._index = index
        self._waiting: dict[GateGroup, list[NodeRef]] = {}
        """In reverse order: the next node is the last item."""
        self._set_aside: dict[NodeRef, GateGroup] = {}
        """The nodes that cannot stage now. They are checked again when an event concerns them."""
        self._busy: dict[tuple[str, str], int] = {}
        """The number of machines that are writing an image, by rollout and pool."""

    def add(self, rollout: Rollout) -> None:
        """Adds the runs of a rollout: those that wait to stage, and those that are writing an image already."""
        for run in reversed(rollout.runs.values()):
            if run.step is Step.PENDING:
                self._waiting.setdefault(group_of(rollout, run), []).append(run.node)
            elif run.step is Step.STAGE:
                self._count(rollout, run, 1)

    def step_changed(self, rollout: Rollout, before: Run, after: Run) -> None:
        """Updates the number of machines that write an image after a run has changed its step."""
        if after.step is Step.STAGE:
            self._count(rollout, after, 1)
        elif before.step is Step.STAGE:
            self._count(rollout, after, -1)

    def regrouped(self, rollout: Rollout, run: Run) -> None:
        """Moves a run to its new group after it became a canary or stepped down. Its entry in the previous group is
        skipped later."""
        if run.step is Step.PENDING:
            self._set_aside.pop(run.node, None)
            self._waiting.setdefault(group_of(rollout, run), []).append(run.node)

    def retry(self, ref: NodeRef) -> None:
        """Makes the node try to stage again after an event that concerns the node."""
        group = self._set_aside.pop(ref, None)
        if group is not None:
            self._waiting.setdefault(group, []).append(ref)

    def next(self, now: datetime) -> tuple[Rollout, Run] | None:
        """Returns a run that may begin to stage, or None while none may."""
        for group, waiting in self._waiting.items():
            rollout = self._index.runs.rollouts[group[0]]
            while waiting:
                run = rollout.runs[waiting[-1]]
                if group_of(rollout, run) != group:
                    waiting.pop()
                    continue
                limit = rollout.pool(run).stage.concurrency
                if self._busy.get(group[:2], 0) >= limit or gates.begin(rollout, run):
                    break
                waiting.pop()
                if run.step is not Step.PENDING:
                    continue
                if held := self._held(rollout, run, now):
                    self._index.state.hold(run.node, held)
                    self._set_aside[run.node] = group
                    continue
                return rollout, run
        return None

    def turn(self, rollout: Rollout, run: Run) -> Held:
        """Returns the turn of a run that nothing else holds: the number of runs of its pool that stage before it."""
        ahead = 0
        for other in rollout.runs.values():
            if other.node == run.node:
                break
            same = (other.goal.pool, other.goal.canary) == (run.goal.pool, run.goal.canary)
            ahead += same and other.step in (Step.PENDING, Step.STAGE)
        return Held(Reason.TURN, run.node.name, {"ahead": ahead})

    def _held(self, rollout: Rollout, run: Run, now: datetime) -> Held | None:
        context = context_of(self._index, rollout, run, now)
        return held_at(Moment.STAGING, context) if context.view.synced else context.view.lost

    def _count(self, rollout: Rollout, run: Run, change: int) -> None:
        key = (rollout.id, run.goal.pool)
        self._busy[key] = self._busy.get(key, 0) + change
