"""Actions that are in flight, and the delays after which actions that did not succeed may be issued again.

Nothing here is in the journal: a controller that starts knows of no action in flight, and reads the clusters again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from fleet.core.objects.node import NodeRef
from fleet.core.rollout.action import (
    AnyAction,
    Defragment,
    Evict,
    MoveLeader,
    Outcome,
    Result,
    SaveSnapshot,
    Silence,
)
from fleet.core.state.requeue_timers import RequeueTimers

RETRY_DELAY: Mapping[Result, float] = {
    Result.DONE: 15.0,
    Result.REFUSED: 5.0,
    Result.GONE: 1.0,
    Result.STALE: 1.0,
    Result.FAILED: 10.0,
    Result.UNKNOWN: 5.0,
}
"""Seconds after an outcome before the same action is issued again, should the cluster still not show its effect. The
delay after FAILED doubles with each failure in a row, up to `MAX_RETRY_DELAY`."""
MAX_RETRY_DELAY = 120.0
"""Seconds."""
MAX_DELAY_BY_KIND: Mapping[str, float] = {"mark": 3600.0, "unmark": 900.0, "clear": 900.0}
"""The longest delay between attempts in seconds, by the action's kind, where it is not `MAX_RETRY_DELAY`: no run waits
for
these actions, and each attempt is two entries of the journal."""
FEW_DELAYS = 1000
"""So many delays are kept without a look at which are over."""
MAX_OPERATOR_DELAY = 60.0
"""Seconds at most between two evictions that are sent for a pod's operator to see; the delay doubles up to that."""


class ActionKey(NamedTuple):
    """The subject of an action: two actions with the same key are never in flight at once."""

    node: NodeRef
    kind: str
    """The kind of the action."""
    subject: str = ""
    """The uid of the pod, or the name of the quorum group or silence; empty: the action is about the node."""


def action_key(action: AnyAction) -> ActionKey:
    """Returns the key under which the action is in flight."""
    match action:
        case Evict():
            subject = action.pod_uid
        case MoveLeader() | SaveSnapshot() | Defragment():
            subject = action.group
        case Silence():
            subject = action.rule.name
        case _:
            subject = ""
    return ActionKey(action.node, action.kind, subject)


class InFlightActions:
    def __init__(self, timers: RequeueTimers) -> None:
        self._timers = timers
        self._in_flight: dict[ActionKey, AnyAction] = {}
        self._requested_since: dict[ActionKey, datetime] = {}
        """When the present step of the node's run asked for the action first."""
        self._not_before: dict[ActionKey, datetime] = {}
        self._most_delays = FEW_DELAYS
        """Once there are more delays than this, those that are over are forgotten."""
        self._seen: set[ActionKey] = set()
        """Actions whose effect the cluster has shown since they were issued last."""
        self._failures: dict[ActionKey, tuple[int, str]] = {}
        """How often in a row the action has FAILED, and the server's message."""
        self._errors: dict[ActionKey, str] = {}
        """Why the last attempt did not succeed: the server's message, or the result's name where there was none."""
        self._sent_to_operator: dict[ActionKey, int] = {}
        """How often in a row an eviction was sent for a pod's operator to see."""
        self.done_for_groups: set[ActionKey] = set()
        """What is done once a run, on nodes of runs that go on: snapshots, defragmentations, silences."""

    def __contains__(self, key: ActionKey) -> bool:
        return key in self._in_flight

    def add(self, action: AnyAction) -> None:
        """Records that the action is issued."""
        key = action_key(action)
        self._in_flight[key] = action
        self._seen.discard(key)

    def may_issue(self, key: ActionKey, now: datetime) -> bool:
        """Returns whether the action is neither in flight nor in its delay; sets a timer for the end of the delay."""
        if key in self._in_flight:
            return False
        not_before = self._not_before.get(key)
        if not_before is not None and now < not_before:
            self._timers.wake_at(key.node, not_before)
            return False
        return True

    def seen(self, key: ActionKey) -> None:
        """Records that the cluster shows the effect of the action that was issued last."""
        self._seen.add(key)

    def may_appear(self, key: ActionKey, now: datetime) -> bool:
        """Returns whether the effect of the action may still appear: the action is in flight, or its effect was not seen and
        its delay is not over; sets a timer for the end of the delay."""
        return key in self._in_flight or (key not in self._seen and not self.may_issue(key, now))

    def requested_since(self, key: ActionKey, now: datetime) -> datetime:
        """Returns the time since which the step has requested this without an effect on the node: `now`, at the first
        call."""
        return self._requested_since.setdefault(key, now)

    def fulfilled(self, key: ActionKey) -> None:
        """Records that the node shows the requested effect, or that its step no longer requests it."""
        self._requested_since.pop(key, None)

    def failures(self, key: ActionKey) -> int:
        """Returns how often in a row the server has refused the action for good (`Result.FAILED`)."""
        return self._failures.get(key, (0, ""))[0]

    def last_failure(self, key: ActionKey) -> str:
        """Returns the server's message, if it refused the action for good the last time; else an empty text."""
        return self._failures.get(key, (0, ""))[1]

    def last_error(self, key: ActionKey) -> str:
        """Returns why the last attempt did not succeed; empty: it did, or there was none, or it has no outcome yet."""
        return self._errors.get(key, "")

    def forget_error(self, key: ActionKey) -> None:
        self._errors.pop(key, None)

    def settle(self, outcome: Outcome, now: datetime) -> None:
        """Records the outcome of an action, and the delay of the next attempt."""
        action, key = outcome.action, action_key(outcome.action)
        current = self._in_flight.get(key)
        if current is not None and current.id == action.id:
            del self._in_flight[key]
        delay = self._delay_after(outcome, key)
        if outcome.result is Result.DONE:
            self._errors.pop(key, None)
            if isinstance(action, (SaveSnapshot, Defragment, Silence)):
                self.done_for_groups.add(key)
        else:
            self._errors[key] = outcome.detail or str(outcome.result)
        self._not_before[key] = now + timedelta(seconds=delay)
        if len(self._not_before) > self._most_delays:
            self._forget_delays_that_are_over(now)

    def _forget_delays_that_are_over(self, now: datetime) -> None:
        """A delay that is over says the same as none; without this the actions of all nodes that ever were upgraded
        would be kept."""
        self._not_before = {key: until for key, until in self._not_before.items() if until > now}
        self._seen.intersection_update([*self._not_before, *self._in_flight])
        self._most_delays = max(FEW_DELAYS, 2 * len(self._not_before))

    def _delay_after(self, outcome: Outcome, key: ActionKey) -> float:
        """Returns the seconds until the action may be issued again; counts its failures in a row."""
        action, delay = outcome.action, RETRY_DELAY[outcome.result]
        if outcome.result is Result.FAILED:
            times = self.failures(key) + 1
            self._failures[key] = (times, outcome.detail)
            delay = min(MAX_DELAY_BY_KIND.get(action.kind, MAX_RETRY_DELAY), delay * 2 ** (times - 1))
        else:
            self._failures.pop(key, None)
        to_operator = isinstance(action, Evict) and action.asked
        if isinstance(action, Evict) and outcome.result is Result.DONE:
            self._sent_to_operator.pop(key, None)
        elif to_operator:
            times = self._sent_to_operator[key] = self._sent_to_operator.get(key, 0) + 1
            delay = min(MAX_OPERATOR_DELAY, RETRY_DELAY[Result.REFUSED] * 2.0 ** min(times - 1, 8))
        if outcome.retry_after is not None:
            return max(outcome.retry_after, 1.0, delay if to_operator else 0.0)
        return delay

    def forget_pod(self, ref: NodeRef, pod_uid: str) -> None:
        """Forgets the evictions of a pod that is gone."""
        key = ActionKey(ref, "evict", pod_uid)
        for table in (self._not_before, self._failures, self._errors, self._sent_to_operator):
            table.pop(key, None)

    def forget_group_actions(self, ref: NodeRef) -> None:
        """Forgets the actions for the groups of a node: they count for one pass of its run through the steps."""
        for key in [key for key in self.done_for_groups if key.node == ref]:
            self.done_for_groups.discard(key)
