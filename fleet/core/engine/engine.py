"""The engine: given events and the time, it returns actions, records for the journal, and what holds each node.

It never reads a clock, a socket, a database or a random source. The executor, the planner, the lab and the
simulation tests drive this same object.

`decide` takes its decisions as begun: a driver commits `Decision.log` to the journal before it performs the
actions, and throws the engine away where that fails (a new one is rebuilt from the journal and a fresh observation).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct

from fleet.core.cluster.view import ClusterView
from fleet.core.engine.admission import Blockers
from fleet.core.engine.canaries import Canaries, PoolKey
from fleet.core.engine.staging import Staging
from fleet.core.guards import gates, quorum
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Action, AnyAction, Mark, Result
from fleet.core.rollout.codec import Journaled
from fleet.core.rollout.commands import CommandRecord, NodeReleased
from fleet.core.rollout.decisions import (
    CanaryAppointed,
    CanaryDismissed,
    NodeCleaned,
    RolloutFinished,
    RolloutHalted,
)
from fleet.core.rollout.event import ClusterEvent
from fleet.core.rollout.rollout import Rollout, RolloutState, Run
from fleet.core.rollout.steps import DRAINED, Step, StepResult
from fleet.core.state.engine_state import EngineState
from fleet.core.state.gate_cache import GateCache, HeldParams
from fleet.core.state.indexes.engine_index import EngineIndex
from fleet.core.state.wait_queue import WaitKey
from fleet.core.steps.context import StepContext, has_our_marks
from fleet.core.steps.dispatch import advance
from fleet.core.steps.finish import clean_up


class Decision(Struct, frozen=True):
    log: tuple[Journaled, ...] = ()
    """In order, for the journal: decisions, and the intents of `actions`."""
    actions: tuple[AnyAction, ...] = ()
    """To be performed, in any order, once the log is committed."""
    held: dict[NodeRef, tuple[Held, ...]] = {}
    """What has changed since the last decision; an empty tuple: nothing holds the node any more."""
    wake: datetime | None = None
    """Decide again then, if nothing is observed before."""


class Engine:
    def __init__(
        self,
        sites: Mapping[str, str],
        rollouts: Iterable[Rollout] = (),
        views: Mapping[str, ClusterView] | None = None,
        salt: str = "",
        foretells: bool = False,
        index: EngineIndex | None = None,
    ) -> None:
        """`sites`: the site of each cluster.

        `views`: what another engine has been told already; that engine is to be thrown away. `salt` ends the ids of the
        engine's actions, and of no other controller's. `foretells`: what the engine decides is a plan on a model, so nodes
        whose drain no model can know are held. `index`: its indexes, if not those of `sites`, `views` and `salt`.
        """
        self._index = index or EngineIndex(sites, EngineState(salt, views))
        self._state = self._index.state
        self._queue = self._index.queue
        self._staging = Staging(self._index)
        self._needs_cleanup: dict[str, dict[NodeRef, None]] = {}
        """Ended runs on whose nodes something of ours may be left, by rollout."""
        vacancies: dict[PoolKey, HeldParams] = {}
        self._gates = GateCache(self._index.runs.rollouts, vacancies)
        self._blockers = Blockers(self._index, self._gates, foretells)
        self._canaries = Canaries(self._index, self._blockers, vacancies)
        for rollout in rollouts:
            self.add(rollout)

    @property
    def rollouts(self) -> Mapping[str, Rollout]:
        return self._index.runs.rollouts

    @property
    def idle(self) -> bool:
        """Whether nothing is left to do or to clean up for any rollout."""
        return not any(rollout.active for rollout in self.rollouts.values()) and not any(
            self._needs_cleanup.values()
        )

    @property
    def timed(self) -> bool:
        """Whether time alone will change something: a window, a freeze, a canary that is replaced, a voter's proof."""
        return self._gates.timed or self._canaries.waits or bool(self._state.quorums.awaiting_upgraded)

    def view(self, cluster: str) -> ClusterView:
        """Returns what is known of one cluster; the same object for as long as this engine lives."""
        return self._state.view(cluster)

    @property
    def views(self) -> Mapping[str, ClusterView]:
        return self._state.views

    def rollout_of(self, ref: NodeRef) -> Rollout | None:
        """Returns the rollout that the node is in, or None."""
        return self._index.runs.rollout_of(ref)

    def pressure(self, ref: NodeRef) -> float:
        """Returns the most evictions left per unit of allowance among the budgets of the node's pods."""
        return self._index.reservations.pressure(self._state.view(ref.cluster), ref.name)

    def absences(self, ref: NodeRef) -> tuple[quorum.GroupWithoutNode, ...]:
        """Returns what the node's quorum groups are without the node, by their last reading."""
        groups = self._state.quorums.of(ref)
        policy = rollout.policy if (rollout := self.rollout_of(ref)) is not None else Policy()
        found = (quorum.group_without(group, policy.quorum_rule(group), ref) for group in groups)
        return tuple(each for each in found if each is not None)

    def add(self, rollout: Rollout) -> None:
        """Adds a rollout to work on: new, or rebuilt from the journal.

        Its open intents are those of a controller that has stopped: their outcome is seen in the clusters, and whatever is
        missing is asked for again under the same token.
        """
        for ident in list(rollout.intents):
            rollout.add_outcome(ident, Result.UNKNOWN)
        self._index.add(rollout)
        self._staging.add(rollout)
        self._gates.add(rollout)
        self._needs_cleanup[rollout.id] = {run.node: None for run in rollout.runs.values() if run.ended}

    def observe(self, event: ClusterEvent, now: datetime) -> None:
        self._canaries.hear()
        self._index.observe(event, now)

    def command(self, command: CommandRecord, at: datetime, actor: str) -> None:
        """Carries out what a person ordered in the journal. Raises KeyError for a rollout that is not known."""
        rollout = self.rollouts[command.rollout]
        rollout.apply(command, at, actor)
        self._canaries.hear()
        for ref in rollout.runs:
            self._state.mark_dirty(ref)
        if isinstance(command, NodeReleased):
            ref = command.node
            if rollout.runs[ref].ended:
                self._needs_cleanup[rollout.id][ref] = None
            self._index.released(ref)

    def decide(self, now: datetime) -> Decision:
        """Returns what is to be done now; the engine takes that as begun."""
        state = self._state
        state.log, state.changed = [], {}
        if state.wake_due(now):
            self._canaries.hear()
        self._advance_runs(now)
        self._begin(now)
        while state.dirty:
            self._advance_runs(now)
            self._begin(now)
        self._end(now)
        actions = tuple(item for item in state.log if isinstance(item, Action))
        return Decision(tuple(state.log), actions, state.changed, self._wake(now))

    def why(self, ref: NodeRef, now: datetime) -> tuple[Held, ...]:
        """Returns all that stands between the node and its next step, in the order in which it has to end."""
        rollout = self._index.runs.rollout_of(ref)
        if rollout is None:
            return ()
        run = rollout.runs[ref]
        if not run.waiting:
            return self._state.held.get(ref, ())
        found = list(self._state.held.get(ref, ())) if run.step is Step.STAGE else []
        for _, held in self._blockers.all(rollout, run, now):
            if held not in found:
                found.append(held)
        unmarked = self._unmarked(rollout, run, now)
        if run.step is Step.PENDING and not found:
            found.append(self._staging.turn(rollout, run))
        if run.step is Step.STAGED and not found:
            # What the node needs is there, and a node that is served first and needs more of the same waits before it.
            found.append(Held(Reason.TURN, ref.name, {"ahead": self._queue.ahead(ref)}))
        return (*found, *unmarked)

    def lasting(self, ref: NodeRef, now: datetime) -> tuple[Held, ...]:
        """Returns what keeps a waiting node itself from going until an operator acts, whatever its gate says."""
        rollout = self._index.runs.rollout_of(ref)
        if rollout is None or not rollout.runs[ref].waiting:
            return ()
        found = self._blockers.own(rollout, rollout.runs[ref], now)
        return tuple(held for held in found if held.needs_action)

    def canaries(self, ident: str, pool: str, count: int, now: datetime) -> list[NodeRef]:
        """Returns the nodes of a pool that go first; fewer than `count` where no more are able to."""
        return self._canaries.choose(self.rollouts[ident], pool, count, now)

    def _begin(self, now: datetime) -> None:
        """Begins what may begin now. A run that goes on may let others begin, and the other way round."""
        self._halt(now)
        self._change_canaries(now)
        for key in self._gates.look(now):
            self._queue.open(key)
        self._begin_staging(now)
        self._begin_slots(now)

    def _advance_runs(self, now: datetime) -> None:
        """Takes every run that something has happened to as far as it goes."""
        while self._state.dirty:
            ref = next(iter(self._state.dirty))
            del self._state.dirty[ref]
            rollout = self._index.runs.rollout_of(ref)
            if rollout is None:
                continue
            run = rollout.runs[ref]
            if rollout.state is RolloutState.ABORTED and (run.waiting or run.step in DRAINED):
                self._finish_step(
                    rollout, run, StepResult.CANCELLED, now, why=f"aborted by {rollout.state_by}"
                )
            elif end := advance(self._state, rollout, run, now):
                self._finish_step(rollout, run, end.result, now, **end.detail)
            else:
                self._mark(rollout, run, now)
                self._wait(rollout, run, now)

    def _wait(self, rollout: Rollout, run: Run, now: datetime) -> None:
        """Has a waiting run asked again that something has happened to: what held it last need not hold it any more."""
        if run.step is Step.PENDING:
            self._staging.look_again(run.node)
        elif run.step is Step.STAGED:
            blocker = self._blockers.first(rollout, run, now)
            place = self._index.limits.limit_group(run.node)
            if blocker is None or not self._queue.waits(run.node, blocker[0], place):
                start = WaitKey("start", rollout.id)
                self._queue.put(run.node, start, place, *self._urgency(run))
                self._queue.open(start)

    def _unmarked(self, rollout: Rollout, run: Run, now: datetime) -> tuple[Held, ...]:
        """Returns why a waiting node has no taint yet. That holds nobody: evicted pods may land there and move twice."""
        node = self._state.node(run.node)
        if node is None or has_our_marks(node, rollout):
            return ()
        held = StepContext(self._state, rollout, run, node, now).backoff("mark")
        return (held,) if held is not None else ()

    def _mark(self, rollout: Rollout, run: Run, now: datetime) -> None:
        """Asks for the taint of nodes that wait, where the node lacks it."""
        if not run.waiting or rollout.state is not RolloutState.RUNNING:
            return
        node = self._state.node(run.node)
        if node is None or node.uid != run.goal.uid or has_our_marks(node, rollout):
            return
        if not self._state.view(run.node.cluster).synced:
            return
        context = StepContext(self._state, rollout, run, node, now)
        if context.may_issue("mark"):
            context.issue(Mark)

    def _finish_step(
        self, rollout: Rollout, run: Run, result: StepResult, now: datetime, **detail: object
    ) -> None:
        after = self._state.finish_step(rollout, run, result, now, **detail)
        self._staging.turned(rollout, run, after)
        self._index.step_changed(after)
        if after.ended:
            self._needs_cleanup[rollout.id][run.node] = None

    def _halt(self, now: datetime) -> None:
        """Halts rollouts with too many failures that nobody has looked at: an operator decides."""
        for rollout in self.rollouts.values():
            if rollout.state is RolloutState.RUNNING and rollout.active and (why := gates.failures(rollout)):
                self._state.decide(rollout, RolloutHalted(rollout=rollout.id, why=why), now)

    def _change_canaries(self, now: datetime) -> None:
        """Replaces canaries that were not proven, or cannot go."""
        for rollout, ref, canary, why in self._canaries.due(now):
            kind = CanaryAppointed if canary else CanaryDismissed
            self._state.decide(rollout, kind(rollout=rollout.id, node=ref, why=why), now)
            self._staging.regrouped(rollout, rollout.runs[ref])
            self._gates.add(rollout)
            self._state.mark_dirty(ref)

    def _begin_staging(self, now: datetime) -> None:
        """Begins staging: images are written ahead of a window, but never before the canaries have proven the release."""
        while (run := self._staging.next(now)) is not None:
            self._finish_step(self.rollouts[self._staging.rollout(run)], run, StepResult.BEGIN, now)

    def _begin_slots(self, now: datetime) -> None:
        """Gives slots to the runs whose blocker has changed, the most urgent first, until the blocker holds one again."""
        queue, limits = self._queue, self._index.limits
        while (key := queue.opened()) is not None:
            waiter = queue.pop(key)
            if waiter is None:
                continue
            ref = waiter.ref
            rollout = self._index.runs.rollout_of(ref)
            if rollout is None or rollout.runs[ref].step is not Step.STAGED:
                queue.ack(waiter)
                continue
            run = rollout.runs[ref]
            blocker = self._blockers.first(rollout, run, now)
            if blocker is None:
                queue.ack(waiter)
                asks = self._blockers.asks(run)
                self._finish_step(
                    rollout, run, StepResult.BEGIN, now, **({"asks": list(asks)} if asks else {})
                )
                continue
            by, held = blocker
            before = self._state.held.get(ref)
            self._state.hold(ref, held, *self._unmarked(rollout, run, now))
            if held.passed_over and (before or ())[:1] != (held,):
                self._index.wakeups.open_quorums(ref)
            queue.requeue(waiter, by, limits.limit_group(ref), *self._urgency(run))
            if by == key:
                queue.close(key)

    def _urgency(self, run: Run) -> tuple[float, int]:
        """Returns who is asked first: the node with the most evictions left per unit of allowance, then the plan's order."""
        view = self._state.view(run.node.cluster)
        pressure = self._index.reservations.pressure(view, run.node.name)
        return pressure + run.goal.urgency, self._index.runs.order(run.node)

    def _end(self, now: datetime) -> None:
        """Cleans up after ended runs, and finishes rollouts of which nothing is left to do."""
        for rollout in self.rollouts.values():
            left = self._needs_cleanup[rollout.id]
            for ref in list(left):
                if clean_up(self._state, rollout, rollout.runs[ref], now):
                    del left[ref]
                    if ref in rollout.needs_cleanup:
                        self._state.decide(rollout, NodeCleaned(rollout=rollout.id, node=ref), now)
            if rollout.active and not rollout.remaining and not left and not rollout.intents:
                self._state.decide(rollout, RolloutFinished(rollout=rollout.id), now)
                self._gates.end(rollout)

    def _wake(self, now: datetime) -> datetime | None:
        moments = (self._state.timers.next_wake, self._gates.opens(now))
        return min((moment for moment in moments if moment is not None), default=None)
