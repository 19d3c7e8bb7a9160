"""Chooses the canaries: the nodes that go first, and the nodes that replace canaries which cannot go.

A canary that was cancelled, or has failed and was released, is replaced at once. A canary that has not begun and is
held by something that does not pass by itself is replaced once it has been held for `REPLACEMENT_DELAY`, so that a node
that is not Ready for a few seconds stays the canary. Reasons that pass by themselves (a window, a budget, a limit, a
reboot) never cause a replacement. A canary that stepped down is treated as one of the other nodes from then on, even if it
could go again a moment later.

Each change is a decision in the journal (`canary`, `no-canary`), so that a replay gives the same canaries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from fleet.core.engine.admission import Blockers
from fleet.core.engine.gate_cache import HeldParams
from fleet.core.guards import gates
from fleet.core.guards.phasing import offered_at
from fleet.core.objects.node import NodeRef
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import RolloutState, Step
from fleet.core.state.indexes.engine_index import EngineIndex

REPLACEMENT_DELAY = timedelta(minutes=5)
"""The time for which a reason that does not pass by itself must hold an open canary without a break before another node
takes its place. A controller that starts begins to measure from zero."""
RECHECK_DELAY = timedelta(seconds=15)
"""If no node of a pool could be the canary, the pool is checked again after this time at the earliest, and only once an
event has come: the check covers all of its nodes."""
NAMED = 3
"""The number of nodes that are named, each with its reason, if none can be the canary."""

PoolKey = tuple[str, str]
"""The id of a rollout, and the name of a pool."""


class CanaryChange(NamedTuple):
    """A node becomes a canary, or steps down."""

    rollout: Rollout
    ref: NodeRef
    canary: bool
    why: str


class Canaries:
    """Chooses the canaries of every rollout, and replaces those that cannot go or were not proven."""

    def __init__(self, index: EngineIndex, blockers: Blockers, vacancies: dict[PoolKey, HeldParams]) -> None:
        """`vacancies`: the pools in which no node can be the canary. Canaries writes this mapping, and the gates read
        it."""
        self._index = index
        self._blockers = blockers
        self._vacancies = vacancies
        self._stuck: dict[NodeRef, datetime] = {}
        """Since when each open canary has been held by something that does not pass by itself."""
        self._last_check: dict[PoolKey, tuple[datetime, int]] = {}
        """When no node could be the canary, and the number of events observed by then; by pool."""
        self._events = 0

    def note_event(self) -> None:
        """Records that an event has come, or that a timer of a node is due: another node may be able to be a canary now."""
        self._events += 1

    @property
    def waits(self) -> bool:
        """Returns whether a canary will be replaced at a time that is known, even if nothing else happens."""
        return any(self._may_change(ref) for ref in self._stuck)

    def choose(
        self, rollout: Rollout, pool: str, count: int, now: datetime, excluded: Collection[NodeRef] = ()
    ) -> list[NodeRef]:
        """Returns the nodes of the pool that go first, or fewer than `count` if no more are able to.

        The chosen nodes can go, or a phased rollout will reach them. Nodes that another party may delete, and leaders
        of a quorum group, are chosen only if there are no others; among equals, those whose budgets have the least work
        left are chosen. If too few nodes can go, nodes follow whose drain may take any length of time.
        """
        ready: list[NodeRef] = []
        unpredictable: list[NodeRef] = []
        reasons: list[str] = []
        for ref in self._ranked(rollout, self._candidates(rollout, pool, excluded), now):
            if len(ready) == count:
                break
            held = self._holds(rollout, rollout.runs[ref], now)
            if held is not None and held.reason is Reason.LENGTH_UNKNOWN:
                unpredictable.append(ref)
            elif held is not None:
                reasons.append(f"{ref}: {held.message}")
            else:
                ready.append(ref)
        ready += unpredictable[: count - len(ready)]
        if ready or not count:
            self._vacancies.pop((rollout.id, pool), None)
        else:
            more = f"; and {len(reasons) - NAMED} more" if len(reasons) > NAMED else ""
            self._vacancies[rollout.id, pool] = {"pool": pool, "nodes": "; ".join(reasons[:NAMED]) + more}
            self._last_check[rollout.id, pool] = (now, self._events)
        return ready

    def due(self, now: datetime) -> Iterator[CanaryChange]:
        """Yields the changes that have to be made now. The caller must make each change before it takes the next one."""
        for rollout in list(self._index.runs.rollouts.values()):
            if rollout.required and rollout.active and rollout.state is RolloutState.RUNNING:
                yield from self._step_down(rollout, now)
                yield from self._succeed(rollout, now)

    def _step_down(self, rollout: Rollout, now: datetime) -> Iterator[CanaryChange]:
        for ref in rollout.canaries:
            run = rollout.runs[ref]
            held = self._holds(rollout, run, now) if run.step in (Step.PENDING, Step.STAGED) else None
            if held is None or held.reason is Reason.LENGTH_UNKNOWN:
                self._stuck.pop(ref, None)
                continue
            end = self._stuck.setdefault(ref, now) + REPLACEMENT_DELAY
            if now < end:
                self._index.state.timers.wake_at(ref, end)
                continue
            pool = (rollout.id, run.goal.pool)
            if not self._may_check(pool, now):
                continue
            why = f"held for {REPLACEMENT_DELAY.total_seconds():.0f} s: {held.message}"
            successors = self.choose(rollout, run.goal.pool, 1, now, [ref])
            # Without a successor the node stays the canary, unless other pools would wait for the canary for ever.
            if successors or self._others_wait(rollout, run.goal.pool):
                del self._stuck[ref]
                yield CanaryChange(rollout, ref, False, why)
            for successor in successors:
                yield CanaryChange(rollout, successor, True, f"instead of {ref}, {why}")

    def _succeed(self, rollout: Rollout, now: datetime) -> Iterator[CanaryChange]:
        for pool in list(gates.pools_lacking_canaries(rollout)):
            if self._may_check((rollout.id, pool), now):
                for ref in self.choose(rollout, pool, gates.missing_canaries(rollout, pool), now):
                    yield CanaryChange(rollout, ref, True, _why_another(rollout, pool))

    def _may_check(self, pool: PoolKey, now: datetime) -> bool:
        if pool not in self._vacancies:
            return True
        checked_at, events = self._last_check[pool]
        if events == self._events:
            return False
        if now < checked_at + RECHECK_DELAY:
            rollout = self._index.runs.rollouts[pool[0]]
            ref = next(run.node for run in rollout.runs.values() if run.goal.pool == pool[1])
            self._index.state.timers.wake_at(ref, checked_at + RECHECK_DELAY)
            return False
        return True

    def _candidates(self, rollout: Rollout, pool: str, excluded: Collection[NodeRef]) -> list[NodeRef]:
        """Returns the nodes of the pool that have not begun and are no canaries.

        With stages, only those of the first stage in which a node of the pool waits, be it excluded: a canary of a later
        stage would wait for that node, and the node for the canary.
        """
        waiting = [
            run
            for run in rollout.runs.values()
            if run.goal.pool == pool and run.step in (Step.PENDING, Step.STAGED)
        ]
        if (stages := rollout.stages) is not None and waiting:
            first = min(stages.index(run.node) for run in waiting)
            waiting = [run for run in waiting if stages.index(run.node) == first]
        return [run.node for run in waiting if not run.goal.canary and run.node not in excluded]

    def _ranked(self, rollout: Rollout, refs: Sequence[NodeRef], now: datetime) -> list[NodeRef]:
        """Returns the nodes in the order in which they are chosen: first those that a phased rollout of the publisher
        reaches first."""

        def rank(ref: NodeRef) -> tuple[datetime, bool, bool, bool, float, NodeRef]:
            node = self._index.state.view(ref.cluster).nodes.get(ref.name)
            opens = offered_at(rollout.release, node, rollout.pool(rollout.runs[ref]))
            return (max(now, opens or now), *self._rank(ref))

        return sorted(refs, key=rank)

    def _rank(self, ref: NodeRef) -> tuple[bool, bool, bool, float, NodeRef]:
        state = self._index.state
        own = state.own is not None and state.own.on(state.view(ref.cluster), ref) is not None
        notices = state.view(ref.cluster).notices(ref.name)
        may_go = any(not notice.holds for notice in notices)
        leads = any(group.leader in group.on(ref) for group in state.quorums.of(ref))
        return own, may_go, leads, self._index.reservations.pressure(state.view(ref.cluster), ref.name), ref

    def _holds(self, rollout: Rollout, run: Run, now: datetime) -> Held | None:
        """Returns the reason that keeps the node from going and does not pass by itself, or None.

        An unreachable cluster counts too: it may be unreachable for days.
        """
        if self._index.runs.rollout_of(run.node) is not rollout:
            return Held(Reason.OTHER_ROLLOUT, run.node.name, {"by": "another"})
        reasons = self._blockers.own(rollout, run, now)
        stays = [held for held in reasons if held.passed_over or held.spec.scope == "cluster"]
        return min(stays, key=lambda held: held.reason is Reason.LENGTH_UNKNOWN, default=None)

    def _others_wait(self, rollout: Rollout, pool: str) -> bool:
        return any(count for other, count in rollout.open_in.items() if other != pool)

    def _may_change(self, ref: NodeRef) -> bool:
        """Returns whether another node may take the place of this canary after its time has run out."""
        rollout = self._index.runs.rollout_of(ref)
        if rollout is None or not rollout.active or rollout.state is not RolloutState.RUNNING:
            return False
        return (rollout.id, rollout.runs[ref].goal.pool) not in self._vacancies


def _why_another(rollout: Rollout, pool: str) -> str:
    """Returns why another canary is needed, naming the last canary of the pool that failed or was cancelled, if there
    is one."""
    ended = [
        run
        for ref in rollout.canaries
        if (run := rollout.runs[ref]).goal.pool == pool and run.step in (Step.FAILED, Step.CANCELLED)
    ]
    if not ended:
        return "the one before it stepped down"
    last = max(ended, key=lambda run: (run.since is not None, run.since, run.node))
    return f"instead of {last.node}, {last.step}: {last.why}"
