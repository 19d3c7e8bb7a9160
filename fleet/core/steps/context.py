"""The context of one step: the run, its node, the rollout, the engine's state and the time; actions are issued through it.

A step function takes the context and returns how the step ends (`StepEnd`), or None while the run waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Concatenate, NamedTuple, ParamSpec

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import AnyAction, Cordon, Uncordon
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step, StepResult
from fleet.core.state.engine_state import EngineState
from fleet.core.state.in_flight import ActionKey

ACTION_NAMES: Mapping[str, str] = {
    "mark": "the taint of nodes that wait",
    "stage": "the request to write the image",
    "cordon": "cordon",
    "reboot": "the request to reboot",
    "uncordon": "uncordon",
    "unmark": "taking away the taint of nodes that wait",
    "clear": "taking back the request to the machine",
}
"""Actions, as a message names them, by their kind."""

Fields = ParamSpec("Fields")


class StepEnd(NamedTuple):
    """How a step ended, and what the journal says of that."""

    result: StepResult
    detail: Mapping[str, Any] = {}


def failed(why: str, **detail: Any) -> StepEnd:
    return StepEnd(StepResult.FAILED, {"why": why, **detail})


class StepContext:
    __slots__ = ("node", "now", "rollout", "run", "state")

    def __init__(self, state: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> None:
        self.state = state
        self.rollout = rollout
        self.run = run
        self.node = node
        self.now = now

    @property
    def ref(self) -> NodeRef:
        return self.run.node

    @property
    def view(self) -> ClusterView:
        return self.state.view(self.run.node.cluster)

    @property
    def machine(self) -> Machine | None:
        return self.state.machine(self.run.node)

    @property
    def cordoned_by_us(self) -> bool:
        return self.node.unschedulable and self.node.cordoned_by == self.rollout.id

    @property
    def has_our_marks(self) -> bool:
        return has_our_marks(self.node, self.rollout)

    def token(self, step: Step | None = None) -> str:
        """Returns the name of one intent towards the machine: the same after a restart, another after a retry.

        `step`: another step than the present one.
        """
        return f"{self.rollout.id}/{self.run.node.name}/{step or self.run.step}/{self.run.attempts}"

    def expired(self, seconds: int, since: datetime | None = None) -> bool:
        """Returns whether the step has had its time; sets the timer for its end otherwise.

        The time counts anew after the cluster could not be seen, or an operator had stopped the rollout. `since`: the
        start of a part of the step.
        """
        moments = (since or self.run.since, self.view.synced_at, self.rollout.state_at)
        end = max((each for each in moments if each is not None), default=self.now) + timedelta(
            seconds=seconds
        )
        if self.now >= end:
            return True
        self.wake_at(end)
        return False

    def wake_at(self, when: datetime) -> None:
        """Looks at the run again then, if no event comes before."""
        self.state.timers.wake_at(self.run.node, when)

    def recheck(self) -> None:
        """Looks at the run again soon, should no event report that its wait is over."""
        self.state.timers.recheck(self.run.node, self.now)

    def hold(self, *held: Held) -> None:
        """Notes what the node waits for; nothing: it waits for nothing that a user should hear of."""
        self.state.hold(self.run.node, *held)

    def key(self, kind: str, subject: str = "") -> ActionKey:
        """Returns the key of an action on the run's node. `subject`: the pod's uid, or the quorum group's name."""
        return ActionKey(self.run.node, kind, subject)

    def in_flight(self, kind: str, subject: str = "") -> bool:
        return self.key(kind, subject) in self.state.actions

    def may_issue(self, kind: str, subject: str = "") -> bool:
        """Returns whether such an action is neither in flight nor in the delay after its last attempt."""
        return self.state.actions.may_issue(self.key(kind, subject), self.now)

    def issue(
        self,
        action: Callable[Concatenate[str, str, NodeRef, str, Fields], AnyAction],
        *args: Fields.args,
        **fields: Fields.kwargs,
    ) -> None:
        """Issues an action on the run's node: `context.issue(Evict, pod=pod.ref, pod_uid=pod.uid)`.

        What every action begins with (its id, the rollout, the node and its uid) comes from the context.
        """
        ident = self.state.next_id(self.rollout)
        self.state.issue(
            self.rollout, action(ident, self.rollout.id, self.run.node, self.node.uid, *args, **fields)
        )

    def last_error(self, kind: str, subject: str = "") -> str:
        """Returns why the last such action did not succeed; empty: it did, or has no outcome yet."""
        return self.state.actions.last_error(self.key(kind, subject))

    def backoff(self, kind: str) -> Held | None:
        """Returns why the last action of this kind on the node did not succeed, in the server's words, or None."""
        why = self.last_error(kind)
        return (
            Held(Reason.BACKOFF, self.run.node.name, {"what": ACTION_NAMES[kind], "why": why})
            if why
            else None
        )

    def hold_backoff(self, kind: str) -> None:
        if held := self.backoff(kind):
            self.hold(held)

    def refusal_suffix(self, kind: str) -> str:
        """Returns the end of the message of a run that fails because its request was never fulfilled."""
        why = self.last_error(kind)
        return f": {ACTION_NAMES[kind]} was refused ({why})" if why else ""

    def request_cordon(self) -> None:
        if self.may_issue("cordon"):
            self.issue(Cordon)

    def request_uncordon(self) -> None:
        self.hold_backoff("uncordon")
        if self.may_issue("uncordon"):
            self.issue(Uncordon)


def was_requested(machine: Machine | None, token: str) -> bool:
    """Returns whether the machine has the request with this token."""
    return machine is not None and machine.request is not None and machine.request.token == token


def has_our_marks(node: Node, rollout: Rollout) -> bool:
    """Returns whether a cordon, an annotation or a taint of this rollout is on the node."""
    return rollout.id in (node.cordoned_by, node.rollout, node.kept_off_by)
