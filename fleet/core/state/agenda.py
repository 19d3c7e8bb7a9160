"""What is on the engine's mind and in no journal: views, timers, what is in flight, what holds whom.

All of it can be rebuilt from the journal and a fresh observation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Any

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.records.held import Held
from fleet.core.records.journal import JournalRecord
from fleet.core.rollout.action import AnyAction, Defragment, Evict, MoveLeader, Outcome, Result, SaveSnapshot
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.rollout.steps import StepResult, next_step
from fleet.core.state.quorum_index import QuorumIndex

ActionKey = tuple[NodeRef, str, str]
"""What an action is about: the node, the action's kind, the uid of the pod or the name of the group."""

RETRY_DELAY: Mapping[Result, float] = {
    Result.DONE: 15.0,
    Result.REFUSED: 5.0,
    Result.GONE: 1.0,
    Result.STALE: 1.0,
    Result.FAILED: 10.0,
    Result.UNKNOWN: 5.0,
}
"""Seconds after an outcome before the same is asked again, should the cluster still not show it. FAILED doubles, to
two minutes."""

RECHECK_SECONDS = 15.0
"""A step that waits for something looks again after this."""
MAX_OPERATOR_DELAY = 60.0
"""Seconds at most between two evictions that are sent for a pod's operator to see; they double up to that."""
MAX_RETRY_DELAY = 120.0
MAX_DELAY_BY_KIND: Mapping[str, float] = {"mark": 3600.0, "unmark": 900.0, "clear": 900.0}
"""The longest pause between attempts, by the action's kind, where it is not the usual one: no run waits for these, and
each attempt is two entries of the journal."""
STEP_ACTIONS = ("stage", "cordon", "reboot", "uncordon")
"""Kinds of actions that one step of a run asks for."""


def action_key(action: AnyAction) -> ActionKey:
    match action:
        case Evict():
            about = action.pod_uid
        case MoveLeader() | SaveSnapshot() | Defragment():
            about = action.group
        case _:
            about = ""
    return action.node, action.kind, about


class EngineState:
    def __init__(self, salt: str = "") -> None:
        """`salt` ends the ids of actions, so that no two controllers give the same one, also where the journal of the
        first was lost."""
        self._salt = salt
        self.views: dict[str, ClusterView] = {}
        self.quorums = QuorumIndex()
        self.log: list[JournalRecord | AnyAction] = []
        """What this decision has come to so far, in order."""
        self.held: dict[NodeRef, tuple[Held, ...]] = {}
        self.changed: dict[NodeRef, tuple[Held, ...]] = {}
        """What has changed in `held` since the last decision."""
        self.dirty: dict[NodeRef, None] = {}
        self._timers: list[tuple[datetime, NodeRef]] = []
        self._armed: set[tuple[datetime, NodeRef]] = set()
        self._looks: dict[NodeRef, datetime] = {}
        """When a step that waits for something looks again, should no event say that it is over."""
        self._open: dict[ActionKey, AnyAction] = {}
        self._asked_since: dict[ActionKey, datetime] = {}
        """Of `STEP_ACTIONS`: when it was asked for first, in this step."""
        self._again: dict[ActionKey, datetime] = {}
        self._refusals: dict[ActionKey, tuple[int, str]] = {}
        """How often in a row it failed for good, and the server's words."""
        self.group_actions_done: set[ActionKey] = set()
        """What has been done for quorum groups on nodes of runs that go on: snapshots, defragmentations."""
        self.absent_since: dict[NodeRef, datetime] = {}
        """Nodes with a run whose Node object is gone: since when that is known."""
        self.not_ready: set[NodeRef] = set()
        """Nodes in soak that are not Ready now."""
        self._answers: dict[ActionKey, str] = {}
        """Why it was not done the last time: the server's words, or that there was no answer, or who was faster."""
        self._asked: dict[ActionKey, int] = {}
        """How often in a row an eviction was sent for a pod's operator to see."""
        self._parts: dict[NodeRef, tuple[tuple[int, bool], datetime]] = {}
        """How far the drain of a node has come, and since when."""
        self._back_since: dict[tuple[NodeRef, str], datetime] = {}
        """By node and the pod's uid: when a pod that came back to its node was first looked at."""
        self._there: dict[NodeRef, frozenset[str]] = {}
        """By node that is drained: uids of the pods that were on it at the first look."""
        self._last_sent: dict[NodeRef, dict[str, datetime]] = {}
        """By node that is drained and workload: when the last eviction of one of its pods was asked for."""
        self.healthy_since: dict[NodeRef, datetime] = {}
        """Of nodes in soak that were not Ready for a while: since when they are again."""

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

    def wake_at(self, ref: NodeRef, when: datetime) -> None:
        if (when, ref) not in self._armed:
            self._armed.add((when, ref))
            heappush(self._timers, (when, ref))

    def recheck(self, ref: NodeRef, now: datetime) -> None:
        """Looks at the node again after `RECHECK_SECONDS` at the latest. However often that is asked for meanwhile, one look
        is due: else each event of a long wait would be followed by looks of its own until the wait is over."""
        due = self._looks.get(ref)
        if due is None or due <= now:
            due = self._looks[ref] = now + timedelta(seconds=RECHECK_SECONDS)
            self.wake_at(ref, due)

    def wake_due(self, now: datetime) -> bool:
        """Makes dirty whose time has come. Returns whether there were some."""
        found = False
        while self._timers and self._timers[0][0] <= now:
            timer = heappop(self._timers)
            self._armed.discard(timer)
            self.mark_dirty(timer[1])
            found = True
        return found

    @property
    def next_wake(self) -> datetime | None:
        return self._timers[0][0] if self._timers else None

    def hold(self, ref: NodeRef, *held: Held) -> None:
        """Says what the node waits for; nothing: for nothing that a person should hear of."""
        if self.held.get(ref, ()) != held:
            self.changed[ref] = held
            if held:
                self.held[ref] = held
            else:
                self.held.pop(ref, None)

    def finish_step(self, rollout: Rollout, run: Run, turn: StepResult, now: datetime, **detail: Any) -> Run:
        """Takes the run on; answers it in its new step."""
        record = JournalRecord(
            form="decision",
            kind="step",
            rollout=rollout.id,
            node=str(run.node),
            detail={"turn": str(turn), "to": str(next_step(run.step, turn)), **detail},
        )
        self._record(rollout, record, now)
        self.hold(run.node)
        for kind in STEP_ACTIONS:
            self._answers.pop((run.node, kind, ""), None)
            self.request_fulfilled(run.node, kind)
        return rollout.runs[run.node]

    def retry(self, rollout: Rollout, run: Run, why: str, now: datetime) -> None:
        record = JournalRecord(
            form="decision", kind="retry", rollout=rollout.id, node=str(run.node), detail={"why": why}
        )
        self._record(rollout, record, now)

    def cleaned_up(self, rollout: Rollout, ref: NodeRef, now: datetime) -> None:
        """Nothing of the ended rollout is left on a node that was released."""
        record = JournalRecord(form="decision", kind="tidied", rollout=rollout.id, node=str(ref))
        self._record(rollout, record, now)

    def decide(
        self, rollout: Rollout, kind: str, now: datetime, *, node: NodeRef | None = None, **detail: Any
    ) -> None:
        """A decision that takes no run to another step: about the rollout as a whole, or about one node."""
        about = str(node) if node is not None else ""
        record = JournalRecord(form="decision", kind=kind, rollout=rollout.id, node=about, detail=detail)
        self._record(rollout, record, now)

    def _record(self, rollout: Rollout, record: JournalRecord, now: datetime) -> None:
        rollout.apply(record, now, "fleet")
        self.log.append(record)

    def in_flight(self, matter: ActionKey) -> bool:
        return matter in self._open

    def may_issue(self, ref: NodeRef, kind: str, now: datetime, about: str = "") -> bool:
        """Neither in flight nor just answered; sets a timer for when it may be asked again. `about`: of the matter."""
        matter = (ref, kind, about)
        if matter in self._open:
            return False
        again = self._again.get(matter)
        if again is not None and now < again:
            self.wake_at(ref, again)
            return False
        return True

    def requested_since(self, ref: NodeRef, kind: str, now: datetime) -> datetime:
        """Returns since when the node's step has asked for this and the node does not show it: since now, at first."""
        return self._asked_since.setdefault((ref, kind, ""), now)

    def request_fulfilled(self, ref: NodeRef, kind: str) -> None:
        """The node shows what was asked for, or its step asks no more."""
        self._asked_since.pop((ref, kind, ""), None)

    def failures(self, ref: NodeRef, kind: str, about: str = "") -> int:
        """How often in a row the server refused this for good."""
        return self._refusals.get((ref, kind, about), (0, ""))[0]

    def last_failure(self, ref: NodeRef, kind: str, about: str = "") -> str:
        """The server's words, if it refused this for good the last time."""
        return self._refusals.get((ref, kind, about), (0, ""))[1]

    def issue(self, rollout: Rollout, action: AnyAction) -> None:
        self._open[action_key(action)] = action
        rollout.add_intent(action)
        self.log.append(action)

    def next_id(self, rollout: Rollout) -> str:
        return f"{rollout.id}/{rollout.counter + 1}{self._salt}"

    def settle(self, outcome: Outcome, now: datetime) -> None:
        """The outcome of an action that is in flight."""
        action = outcome.action
        matter = action_key(action)
        if self._open.get(matter) is not None and self._open[matter].id == action.id:
            del self._open[matter]
        pause = RETRY_DELAY[outcome.result]
        if outcome.result is Result.FAILED:
            times = self._refusals.get(matter, (0, ""))[0] + 1
            self._refusals[matter] = (times, outcome.detail)
            most = MAX_DELAY_BY_KIND.get(action.kind, MAX_RETRY_DELAY)
            pause = min(most, pause * 2 ** (times - 1))
        else:
            self._refusals.pop(matter, None)
        if outcome.result is Result.DONE:
            self._answers.pop(matter, None)
        else:
            self._answers[matter] = outcome.detail or str(outcome.result)
        if isinstance(action, Evict):
            pause = self._politely(outcome, matter, pause)
        if outcome.retry_after is not None:
            pause = max(
                outcome.retry_after, 1.0, pause if isinstance(action, Evict) and action.asked else 0.0
            )
        self._again[matter] = now + timedelta(seconds=pause)
        if isinstance(action, (SaveSnapshot, Defragment)) and outcome.result is Result.DONE:
            self.group_actions_done.add(matter)
        if isinstance(action, Evict) and outcome.result is not Result.DONE:
            self.view(action.node.cluster).remove_pending_eviction(action.pod_uid)
        self.mark_dirty(action.node)

    def _politely(self, outcome: Outcome, matter: ActionKey, pause: float) -> float:
        """Returns the seconds until the eviction is sent again."""
        if outcome.result is Result.DONE:
            self._asked.pop(matter, None)
            return pause
        if not isinstance(outcome.action, Evict) or not outcome.action.asked:
            return pause
        times = self._asked[matter] = self._asked.get(matter, 0) + 1
        return min(MAX_OPERATOR_DELAY, RETRY_DELAY[Result.REFUSED] * 2.0 ** min(times - 1, 8))

    def last_error(self, ref: NodeRef, kind: str, about: str = "") -> str:
        """Returns the server's words where the last such action was not granted; empty: it was, or has no answer."""
        return self._answers.get((ref, kind, about), "")

    def wave_since(self, ref: NodeRef, part: tuple[int, bool], first: datetime, now: datetime) -> datetime:
        """Returns since when the node's drain has been at this part, or at a later one. The first began at `first`."""
        known = self._parts.get(ref)
        if known is None or part > known[0]:
            known = self._parts[ref] = (part, first if known is None else now)
        return known[1]

    def empty_since(self, ref: NodeRef, first: datetime, now: datetime) -> datetime:
        """Returns since when no pod with a time of its own keeps the node: what else a reboot presumes shares the time
        of the pods without one. `first`: of a node on which no pod had to go."""
        known = self._parts.get(ref)
        return self.wave_since(ref, (known[0][0] if known is not None else 0, True), first, now)

    def drain_ended(self, ref: NodeRef) -> None:
        """The node's drain is over."""
        self._parts.pop(ref, None)
        self._last_sent.pop(ref, None)
        self._there.pop(ref, None)

    def forget_group_actions(self, ref: NodeRef) -> None:
        """What was done for the groups of a node counts for one way of its run through the steps."""
        for matter in [matter for matter in self.group_actions_done if matter[0] == ref]:
            self.group_actions_done.discard(matter)

    def forget_pod(self, ref: NodeRef, pod_uid: str) -> None:
        """The pod is gone: nothing about it is of interest any more."""
        matter = (ref, "evict", pod_uid)
        self._again.pop(matter, None)
        self._refusals.pop(matter, None)
        self._answers.pop(matter, None)
        self._asked.pop(matter, None)
        self._back_since.pop((ref, pod_uid), None)

    def begin_drain(self, ref: NodeRef, pods: Iterable[Pod]) -> None:
        """These are on the node. Only the first of several calls counts."""
        if ref not in self._there:
            self._there[ref] = frozenset(pod.uid for pod in pods)

    def was_there(self, ref: NodeRef, pod_uid: str) -> bool:
        """The pod was on the node when this controller first looked at its drain."""
        return pod_uid in self._there.get(ref, ())

    def returned_since(self, ref: NodeRef, pod_uid: str, now: datetime) -> datetime:
        """Returns since when the pod is known to have come back to its node: since now, at the first look."""
        return self._back_since.setdefault((ref, pod_uid), now)

    def last_eviction(self, ref: NodeRef, workload: str) -> datetime | None:
        """Returns when the last eviction of the workload's pods from the node was asked for, by this controller."""
        return self._last_sent.get(ref, {}).get(workload)

    def eviction_issued(self, ref: NodeRef, workload: str, now: datetime) -> None:
        """The eviction of a pod of this workload is asked for."""
        self._last_sent.setdefault(ref, {})[workload] = now
