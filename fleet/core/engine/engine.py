"""The engine: derives actions, records for the journal, and the reasons that hold nodes from events and the time.

The engine never reads a clock, a socket, a database or a random source. The executor, the planner, the lab and the
simulation tests drive this same object.

`decide` treats its decisions as begun: a driver commits `Decision.log` to the journal before it performs the actions.
If the commit fails, the driver discards the engine and builds a new one from the journal and a fresh observation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from fleet.core.approval.gate import ApprovalGate
from fleet.core.approval.ledger import Ledger
from fleet.core.cluster.view import ClusterView
from fleet.core.engine.admission import Blockers
from fleet.core.engine.canaries import Canaries, PoolKey
from fleet.core.engine.cleanup import Cleanup
from fleet.core.engine.decision import Decision
from fleet.core.engine.gate_cache import GateCache, HeldParams
from fleet.core.engine.gate_questions import GateQuestions
from fleet.core.engine.hook_places import HookPlaces
from fleet.core.engine.slots import Slots
from fleet.core.engine.staging import Staging
from fleet.core.engine.workload_gates import WorkloadGates
from fleet.core.guards import gates
from fleet.core.guards.quorum import GroupWithoutNode
from fleet.core.guards.quorum_groups import groups_without
from fleet.core.objects.node import NodeRef
from fleet.core.records.held import Held
from fleet.core.rollout.action import Action, Result
from fleet.core.rollout.commands import CommandRecord, NodeReleased, PlanApproved, PlanRejected
from fleet.core.rollout.decisions import (
    CanaryAppointed,
    CanaryDismissed,
    RolloutFinished,
    RolloutHalted,
)
from fleet.core.rollout.event import ClusterEvent
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import DRAINED, RolloutState, Step, StepResult
from fleet.core.state.engine_state import EngineState
from fleet.core.state.hook_calls import Expected
from fleet.core.state.indexes.engine_index import EngineIndex
from fleet.core.state.own_pod import OwnPod
from fleet.core.steps.dispatch import advance
from fleet.core.steps.stage import mark, why_unmarked


class Engine:
    """Decides for all rollouts of one controller, or of one plan. Deterministic: the same events and times give the
    same decisions."""

    def __init__(
        self,
        sites: Mapping[str, str],
        rollouts: Iterable[Rollout] = (),
        views: Mapping[str, ClusterView] | None = None,
        salt: str = "",
        foretells: bool = False,
        index: EngineIndex | None = None,
        ledger: Ledger | None = None,
        expected: Expected | None = None,
        own: OwnPod | None = None,
    ) -> None:
        """`sites`: the site of each cluster. `views`: those of another engine, which must not be used any more. `salt`: a
        suffix of the ids of this engine's actions, which no other controller uses. `foretells`: decisions make a plan on
        a model, so that nodes whose drain no model can predict are held. `index`: the indexes, if not to be built from
        `sites`, `views` and `salt`. `ledger`: the approvals in the journal; None: none are asked for. `expected`: how long
        hooks take; None: drivers run them. `own`: the controller's pod; its node comes last, once another leads."""
        self._approvals = ApprovalGate(ledger) if ledger is not None else None
        self._index = index or EngineIndex(sites, EngineState(salt, views, expected, own))
        self._state = self._index.state
        self._staging = Staging(self._index)
        self._cleanup = Cleanup(self._index)
        vacancies: dict[PoolKey, HeldParams] = {}
        self._gates = GateCache(self._index.runs.rollouts, vacancies)
        self._workloads = WorkloadGates(self._state, foretells)
        self.gate_questions = GateQuestions(self._gates, self._workloads.measure, foretells)
        """A driver takes the questions that are due, and reports the answers."""
        self.hooks = self._state.hooks
        """A driver takes the hooks to run and to stop, and reports how they ended."""
        self._hook_places = HookPlaces(self._state, self._gates)
        self._blockers = Blockers(self._index, self._gates, foretells)
        self._slots = Slots(self._index, self._blockers)
        self._canaries = Canaries(self._index, self._blockers, vacancies)
        for rollout in rollouts:
            self.add(rollout)

    @property
    def rollouts(self) -> Mapping[str, Rollout]:
        return self._index.runs.rollouts

    @property
    def idle(self) -> bool:
        """Returns whether nothing is left to do or to clean up for any rollout."""
        return not any(rollout.active for rollout in self.rollouts.values()) and not self._cleanup.pending

    @property
    def timed(self) -> bool:
        """Returns whether time alone will change something, such as a window, a gate or the proof of a voter."""
        return (
            self._gates.timed
            or any(self._gates.points())
            or self._state.hooks.running
            or self._canaries.waits
            or bool(self._state.quorums.awaiting_upgraded)
            or self._state.timers.opens
        )

    def view(self, cluster: str) -> ClusterView:
        """Returns what is known about one cluster: the same object for the life of this engine."""
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

    def absences(self, ref: NodeRef) -> tuple[GroupWithoutNode, ...]:
        """Returns the state of the node's quorum groups without the node, by their last reading."""
        return groups_without(self._index, ref)

    def add(self, rollout: Rollout) -> None:
        """Adds a rollout, either new or rebuilt from the journal. Its open intents are those of a controller that has
        stopped. Their outcome is observed in the clusters, and whatever is missing is requested again under the same
        token."""
        for ident in list(rollout.intents):
            rollout.add_outcome(ident, Result.UNKNOWN)
        self._index.add(rollout)
        self._staging.add(rollout)
        self._gates.add(rollout)
        self._cleanup.add_rollout(rollout)

    def observe(self, event: ClusterEvent, now: datetime) -> None:
        """Takes in one event that a driver has observed."""
        self._canaries.note_event()
        self._index.observe(event, now)

    def command(self, command: CommandRecord, at: datetime, actor: str) -> None:
        """Carries out an operator's command from the journal. Raises KeyError for a rollout that is not known."""
        if isinstance(command, PlanApproved | PlanRejected):
            if self._approvals is not None:
                self._approvals.ledger.apply(command, at, actor)
            return
        rollout = self.rollouts[command.rollout]
        rollout.apply(command, at, actor)
        self._canaries.note_event()
        for ref in rollout.runs:
            self._state.mark_dirty(ref)
        if isinstance(command, NodeReleased):
            ref = command.node
            if rollout.runs[ref].ended:
                self._cleanup.add_node(rollout, ref)
            self._index.released(ref)

    def decide(self, now: datetime) -> Decision:
        """Returns the decision of this moment. The engine treats all of its actions as begun."""
        state = self._state
        state.log, state.changed = [], {}
        if state.wake_due(now):
            self._canaries.note_event()
        self._hook_places.end_hooks(self.rollouts, now)
        self._halt_unapproved(now)
        self._advance_runs(now)
        self._begin(now)
        while state.dirty:
            self._advance_runs(now)
            self._begin(now)
        self._end(now)
        actions = tuple(item for item in state.log if isinstance(item, Action))
        return Decision(tuple(state.log), actions, state.changed, self._wake(now))

    def why(self, ref: NodeRef, now: datetime) -> tuple[Held, ...]:
        """Returns all reasons that keep the node from its next step, in the order in which they have to be resolved."""
        rollout = self._index.runs.rollout_of(ref)
        if rollout is None:
            return ()
        run = rollout.runs[ref]
        if not run.waiting:
            return self._state.held.get(ref, ())
        reasons = list(self._state.held.get(ref, ())) if run.step is Step.STAGE else []
        for _, held in self._blockers.all(rollout, run, now):
            if held not in reasons:
                reasons.append(held)
        unmarked = why_unmarked(self._index, rollout, run, now)
        if run.step is Step.PENDING and not reasons:
            reasons.append(self._staging.turn(rollout, run))
        if run.step is Step.STAGED and not reasons:
            reasons.append(self._slots.turn(ref))
        return (*reasons, *unmarked)

    def lasting(self, ref: NodeRef, now: datetime) -> tuple[Held, ...]:
        """Returns the reasons of a waiting node that need an operator, apart from those of its gate."""
        rollout = self._index.runs.rollout_of(ref)
        if rollout is None or not rollout.runs[ref].waiting:
            return ()
        reasons = self._blockers.own(rollout, rollout.runs[ref], now)
        return tuple(held for held in reasons if held.needs_action)

    def canaries(self, ident: str, pool: str, count: int, now: datetime) -> list[NodeRef]:
        """Returns the nodes of a pool that go first, or fewer than `count` if no more are able to."""
        return self._canaries.choose(self.rollouts[ident], pool, count, now)

    def _begin(self, now: datetime) -> None:
        """Begins what may begin now. A run that goes on may allow others to begin, and vice versa."""
        self._halt(now)
        self._change_canaries(now)
        self._recheck_gates(now)
        self._hook_places.run(now)
        self._begin_staging(now)
        self._begin_slots(now)

    def _recheck_gates(self, now: datetime) -> None:
        """Lets those begin whose gate has opened, until nothing more has become of any gate."""
        changed = True
        while changed:
            for key in self._gates.recheck(now):
                self._index.queue.open(key)
            changed = False
            for rollout, record in self.gate_questions.due(now):
                self._state.decide(rollout, record, now)
                changed = True

    def _advance_runs(self, now: datetime) -> None:
        """Advances every run that something has happened to, as far as possible."""
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
            elif end := advance(self._index, rollout, run, now):
                self._finish_step(rollout, run, end.result, now, **end.detail)
            else:
                mark(self._index, rollout, run, now)
                if run.step is Step.PENDING:
                    self._staging.retry(run.node)
                elif run.step is Step.STAGED:
                    self._slots.recheck(rollout, run, now)

    def _finish_step(
        self, rollout: Rollout, run: Run, result: StepResult, now: datetime, **detail: object
    ) -> None:
        after = self._state.finish_step(rollout, run, result, now, **detail)
        self._staging.step_changed(rollout, run, after)
        self._index.step_changed(after)
        if after.ended:
            self._cleanup.add_node(rollout, run.node)

    def _halt(self, now: datetime) -> None:
        """Halts rollouts with too many failures that no operator has acknowledged."""
        for rollout in self.rollouts.values():
            if rollout.state is RolloutState.RUNNING and rollout.active and (why := gates.failures(rollout)):
                self._state.decide(rollout, RolloutHalted(rollout=rollout.id, why=why), now)

    def _halt_unapproved(self, now: datetime) -> None:
        """Halts rollouts that have done nothing yet and whose approvals are not in force any more."""
        if self._approvals is None:
            return
        for rollout in self.rollouts.values():
            if rollout.state is RolloutState.RUNNING and (why := self._approvals.lacking(rollout, now)):
                self._state.decide(rollout, RolloutHalted(rollout=rollout.id, why=why), now)

    def _change_canaries(self, now: datetime) -> None:
        """Replaces canaries that were not proven or cannot go."""
        for rollout, ref, canary, why in self._canaries.due(now):
            kind = CanaryAppointed if canary else CanaryDismissed
            self._state.decide(rollout, kind(rollout=rollout.id, node=ref, why=why), now)
            self._staging.regrouped(rollout, rollout.runs[ref])
            self._gates.add(rollout)
            self._state.mark_dirty(ref)

    def _begin_staging(self, now: datetime) -> None:
        """Begins staging. Images are written ahead of a window, but never before the canaries have proven the
        release."""
        while (begins := self._staging.next(now)) is not None:
            self._finish_step(*begins, StepResult.BEGIN, now)

    def _begin_slots(self, now: datetime) -> None:
        """Gives slots to the runs that nothing holds any more."""
        while (begins := self._slots.next(now)) is not None:
            rollout, run = begins
            self._workloads.note(rollout, run, now)
            asks = self._blockers.asks(run)
            self._finish_step(rollout, run, StepResult.BEGIN, now, **({"asks": list(asks)} if asks else {}))

    def _end(self, now: datetime) -> None:
        """Cleans up after ended runs, and finishes rollouts in which nothing is left to do."""
        for rollout in self.rollouts.values():
            clean = self._cleanup.advance(rollout, now)
            at_end = rollout.active and not rollout.remaining and clean and not rollout.intents
            if at_end and self._hook_places.ended(rollout, now):
                self._state.decide(rollout, RolloutFinished(rollout=rollout.id), now)
                self._gates.end(rollout)
        self._hook_places.stop(self.rollouts.values())

    def _wake(self, now: datetime) -> datetime | None:
        moments = (
            self._state.timers.next_wake,
            self._gates.opens(now),
            self.gate_questions.wake(now),
            self._hook_places.wake,
        )
        return min((moment for moment in moments if moment is not None), default=None)
