"""Decides which waiting runs get a slot: the guards are asked again about runs whose blocker has changed, the most urgent
run first."""

from __future__ import annotations

from datetime import datetime
from math import inf

from fleet.core.engine.admission import Blockers
from fleet.core.guards.context import Blocker
from fleet.core.objects.node import NodeRef
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step
from fleet.core.state.indexes.engine_index import EngineIndex
from fleet.core.state.wait_queue import Waiter, WaitKey
from fleet.core.steps.stage import why_unmarked


class Slots:
    """Chooses the runs that take a slot, and keeps the others in the queue under the keys of their blockers."""

    def __init__(self, index: EngineIndex, blockers: Blockers) -> None:
        self._index = index
        self._blockers = blockers

    def recheck(self, rollout: Rollout, run: Run, now: datetime) -> None:
        """Asks the guards again about a waiting run after an event: its last blocker may not hold the run any more."""
        queue, limit_group = self._index.queue, self._index.limits.limit_group(run.node)
        blocker = self._blockers.first(rollout, run, now)
        if blocker is None or not queue.waits(run.node, blocker[0], limit_group):
            start = WaitKey("start", rollout.id)
            queue.put(run.node, start, limit_group, *self._urgency(run))
            queue.open(start)

    def next(self, now: datetime) -> tuple[Rollout, Run] | None:
        """Returns a run that takes its slot now, or None while none may. For each key that has opened, the guards are
        asked about its waiters until the same key holds one of them again."""
        queue = self._index.queue
        while (key := queue.opened()) is not None:
            waiter = queue.pop(key)
            if waiter is None:
                continue
            rollout = self._index.runs.rollout_of(waiter.ref)
            if rollout is None or rollout.runs[waiter.ref].step is not Step.STAGED:
                queue.ack(waiter)
                continue
            run = rollout.runs[waiter.ref]
            blocker = self._blockers.first(rollout, run, now)
            if blocker is None:
                queue.ack(waiter)
                return rollout, run
            self._hold(rollout, run, waiter, blocker, now)
            if blocker[0] == key:
                queue.close(key)
        return None

    def turn(self, ref: NodeRef) -> Held:
        """Returns the turn of a run that nothing else holds: a node that is served first, and needs more of the same, goes
        before it."""
        return Held(Reason.TURN, ref.name, {"ahead": self._index.queue.ahead(ref)})

    def _hold(self, rollout: Rollout, run: Run, waiter: Waiter, blocker: Blocker, now: datetime) -> None:
        ref, state = run.node, self._index.state
        key, held = blocker
        before = state.held.get(ref, ())
        state.hold(ref, held, *why_unmarked(self._index, rollout, run, now))
        if held.passed_over and before[:1] != (held,):
            self._index.wakeups.open_quorums(ref)
        self._index.queue.requeue(waiter, key, self._index.limits.limit_group(ref), *self._urgency(run))

    def _urgency(self, run: Run) -> tuple[float, int]:
        """Returns the sort key of a run that waits for its slot: the node with the most evictions left per unit of
        allowance is asked first, then the plan's order decides. The controller's own node comes last."""
        state = self._index.state
        view = state.view(run.node.cluster)
        if state.own is not None and state.own.on(view, run.node) is not None:
            return -inf, self._index.runs.order(run.node)
        pressure = self._index.reservations.pressure(view, run.node.name)
        return pressure + run.goal.urgency, self._index.runs.order(run.node)
