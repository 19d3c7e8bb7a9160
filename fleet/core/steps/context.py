"""The context of one step: a guard's context with a node that exists, through which actions are issued.

A step function takes the context and returns how the step ends (`StepEnd`), or None while the run waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Concatenate, NamedTuple, ParamSpec

from fleet.core.guards.context import GuardContext
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import AnyAction, Cordon, Uncordon
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step, StepResult
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
    """The end of a step: its result, and the detail of its journal record."""

    result: StepResult
    detail: Mapping[str, Any] = {}


def failed(why: str, **detail: Any) -> StepEnd:
    return StepEnd(StepResult.FAILED, {"why": why, **detail})


class StepContext(GuardContext, frozen=True, gc=False, eq=False):
    """The context of a step, with which guards are asked too, and through which actions are issued."""

    node: Node
    """The node of the plan: with the uid of the run's goal."""

    @property
    def cordoned_by_us(self) -> bool:
        return self.node.unschedulable and self.node.cordoned_by == self.rollout.id

    @property
    def has_our_marks(self) -> bool:
        return has_our_marks(self.node, self.rollout)

    def token(self, step: Step | None = None) -> str:
        """Returns the token of a request to the machine: the same after a restart, another one after a retry.

        `step`: another step than the present one.
        """
        return f"{self.rollout.id}/{self.run.node.name}/{step or self.run.step}/{self.run.attempts}"

    def expired(self, seconds: int, since: datetime | None = None) -> bool:
        """Returns whether the time of the step is over; otherwise sets a timer for its end.

        The time starts again after the cluster could not be seen, or an operator had stopped the rollout. `since`: the
        start of a part of the step.
        """
        moments = (since or self.run.since, self.view.synced_at, self.rollout.state_at)
        end = max((moment for moment in moments if moment is not None), default=self.now) + timedelta(
            seconds=seconds
        )
        if self.now >= end:
            return True
        self.wake_at(end)
        return False

    def wake_at(self, when: datetime) -> None:
        """Sets a timer: the run is looked at again at that time, if no event comes before."""
        self.state.timers.wake_at(self.run.node, when)

    def recheck(self) -> None:
        """Sets a timer: the run is looked at again soon, should no event report that its wait is over."""
        self.state.timers.recheck(self.run.node, self.now)

    def hold(self, *held: Held) -> None:
        """Records the reasons that hold the node; none: nothing holds the node that a user should know of."""
        self.state.hold(self.run.node, *held)

    def key(self, kind: str, subject: str = "") -> ActionKey:
        """Returns the key of an action on the run's node. `subject`: the pod's uid, or the quorum group's name."""
        return ActionKey(self.run.node, kind, subject)

    def in_flight(self, kind: str, subject: str = "") -> bool:
        return self.key(kind, subject) in self.state.actions

    def may_issue(self, kind: str, subject: str = "") -> bool:
        """Returns whether such an action is neither in flight nor in the delay after its last attempt."""
        return self.state.actions.may_issue(self.key(kind, subject), self.now)

    def saw(self, kind: str) -> None:
        """Records that the node or its machine shows the effect of such an action, so that it is not still to come."""
        self.state.actions.seen(self.key(kind))

    def issue(
        self,
        action: Callable[Concatenate[str, str, NodeRef, str, Fields], AnyAction],
        *args: Fields.args,
        **fields: Fields.kwargs,
    ) -> None:
        """Issues an action on the run's node: `context.issue(Evict, pod=pod.ref, pod_uid=pod.uid)`.

        The common fields of all actions (id, rollout, node and its uid) come from the context.
        """
        ident = self.state.next_id(self.rollout)
        self.state.issue(
            self.rollout, action(ident, self.rollout.id, self.run.node, self.node.uid, *args, **fields)
        )

    def last_error(self, kind: str, subject: str = "") -> str:
        """Returns why the last such action did not succeed; empty: it succeeded, or has no outcome yet."""
        return self.state.actions.last_error(self.key(kind, subject))

    def backoff(self, kind: str) -> Held | None:
        """Returns the reason `backoff` with the server's message if the last action of this kind on the node did not
        succeed, or None."""
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
