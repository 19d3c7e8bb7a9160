"""The state of the engine beside the journal: views of clusters, actions in flight, timers, and the reasons that hold nodes.

All of it can be rebuilt from the journal and a fresh observation.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.records.held import Held
from fleet.core.rollout.action import AnyAction, Evict, Outcome, Result
from fleet.core.rollout.codec import Journaled
from fleet.core.rollout.decisions import DecisionRecord, StepFinished
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import StepResult, next_step
from fleet.core.state.drain_progress import DrainProgress
from fleet.core.state.hook_calls import Expected, HookCalls
from fleet.core.state.in_flight import ActionKey, InFlightActions
from fleet.core.state.own_pod import OwnPod
from fleet.core.state.quorum_index import QuorumIndex
from fleet.core.state.requeue_timers import RequeueTimers

STEP_ACTIONS = ("stage", "cordon", "reboot", "uncordon")
"""Kinds of actions that one step of a run asks for."""


class EngineState:
    def __init__(
        self,
        salt: str = "",
        views: Mapping[str, ClusterView] | None = None,
        expected: Expected | None = None,
        own: OwnPod | None = None,
    ) -> None:
        """`views`: the views of another engine, which must not be used any more. `expected`: how long hooks take, where
        a plan is made. `own`: the pod of the controller that decides; None: it is in none.

        `salt` ends the ids of actions, so that no two controllers give the same one, also where the journal of the
        first was lost.
        """
        self._salt = salt
        self.own = own
        self.views: dict[str, ClusterView] = dict(views or {})
        self.quorums = QuorumIndex()
        for view in self.views.values():
            for group in view.quorums.values():
                self.quorums.upsert(group)
        self.timers = RequeueTimers()
        self.actions = InFlightActions(self.timers)
        self.hooks = HookCalls(expected)
        self.drains = DrainProgress()
        self.log: list[Journaled] = []
        """The records of this decision so far, in order."""
        self.held: dict[NodeRef, tuple[Held, ...]] = {}
        self.changed: dict[NodeRef, tuple[Held, ...]] = {}
        """The changes of `held` since the last decision."""
        self.dirty: dict[NodeRef, None] = {}
        """The dirty nodes, whose runs this decision has to look at, in the order in which they became dirty."""
        self.absent_since: dict[NodeRef, datetime] = {}
        """Nodes with a run whose Node object is gone: since when that is known."""
        self.not_ready: set[NodeRef] = set()
        """Nodes in soak that are not Ready now."""
        self.healthy_since: dict[NodeRef, datetime] = {}
        """Nodes in soak that were not Ready for a while: since when they are Ready again."""

    def view(self, cluster: str) -> ClusterView:
        try:
            return self.views[cluster]
        except KeyError:
            return self.views.setdefault(cluster, ClusterView(cluster))

    def node(self, ref: NodeRef) -> Node | None:
        return self.view(ref.cluster).nodes.get(ref.name)

    def machine(self, ref: NodeRef) -> Machine | None:
        return self.view(ref.cluster).machines.get(ref.name)

    def mark_dirty(self, ref: NodeRef) -> None:
        self.dirty[ref] = None

    def wake_due(self, now: datetime) -> bool:
        """Marks the nodes dirty whose timer is due. Returns whether there were some."""
        any_due = False
        for ref in self.timers.pop_due(now):
            self.mark_dirty(ref)
            any_due = True
        return any_due

    def hold(self, ref: NodeRef, *held: Held) -> None:
        """Records the reasons that hold the node; none: nothing holds the node that a user should know of."""
        if self.held.get(ref, ()) != held:
            self.changed[ref] = held
            if held:
                self.held[ref] = held
            else:
                self.held.pop(ref, None)

    def finish_step(
        self, rollout: Rollout, run: Run, result: StepResult, now: datetime, **detail: Any
    ) -> Run:
        """Moves the run to its next step, and returns the changed run."""
        to = next_step(run.step, result)
        self.decide(
            rollout, StepFinished(rollout=rollout.id, node=run.node, turn=result, to=to, **detail), now
        )
        self.hold(run.node)
        for kind in STEP_ACTIONS:
            key = ActionKey(run.node, kind)
            self.actions.forget_error(key)
            self.actions.fulfilled(key)
        return rollout.runs[run.node]

    def decide(self, rollout: Rollout, decision: DecisionRecord, now: datetime) -> None:
        """Applies a decision to the rollout, and adds its record to the log."""
        rollout.apply(decision, now, "fleet")
        self.log.append(decision)

    def next_id(self, rollout: Rollout) -> str:
        """Returns the id of the rollout's next action."""
        return f"{rollout.id}/{rollout.counter + 1}{self._salt}"

    def issue(self, rollout: Rollout, action: AnyAction) -> None:
        self.actions.add(action)
        rollout.add_intent(action)
        self.log.append(action)

    def settle(self, outcome: Outcome, now: datetime) -> None:
        """Records the outcome of an action; an eviction that was not granted takes nothing from its budget."""
        action = outcome.action
        self.actions.settle(outcome, now)
        if isinstance(action, Evict) and outcome.result is not Result.DONE:
            self.view(action.node.cluster).pending_evictions.remove(action.pod_uid)
        self.mark_dirty(action.node)

    def forget_pod(self, ref: NodeRef, pod_uid: str) -> None:
        """Forgets a pod that is gone."""
        self.actions.forget_pod(ref, pod_uid)
        self.drains.forget_pod(ref, pod_uid)
