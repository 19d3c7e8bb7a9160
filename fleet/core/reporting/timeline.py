"""Reconstructs what happened in one rollout from its journal entries: steps, evictions, slots and operators' commands.

The state of the rollout comes from `Rollout.apply`; the timeline only records when that state changed. The structs are
part of the published JSON of a report (`docs/schemas/report.json`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.records.journal import JournalEntry
from fleet.core.rollout.action import (
    Action,
    Defragment,
    Evict,
    MoveLeader,
    Reboot,
    Result,
    SaveSnapshot,
)
from fleet.core.rollout.codec import Journaled, from_record
from fleet.core.rollout.commands import CommandRecord, RolloutStarted
from fleet.core.rollout.decisions import (
    CanaryAppointed,
    CanaryDismissed,
    HookEnded,
    HookStarted,
    NodeReregistered,
    RolloutHalted,
    RunRetried,
    StepFinished,
)
from fleet.core.rollout.hooks.hook_runs import HookRuns
from fleet.core.rollout.record import ActionEnded, UnknownRecord
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import ENDED, Step


class StepTaken(Struct, frozen=True):
    """One step that a run went through. In `pending` and `staged` the run waits, and the node has not been touched."""

    step: str
    start: datetime
    end: datetime | None = None
    """None: the run is still in this step."""
    turn: str = ""
    """How the step ended: begin, done, failed, cancelled, back or gone."""

    @property
    def seconds(self) -> float | None:
        return (self.end - self.start).total_seconds() if self.end is not None else None


class Eviction(Struct, frozen=True):
    """The eviction of one pod: when it was requested, and what the server answered."""

    pod: str
    """namespace/name"""
    uid: str
    asked_at: datetime
    """When the eviction was requested for the first time."""
    answered_at: datetime | None = None
    """When the server answered last."""
    result: str = ""
    """The last answer: done, refused, gone, stale, failed or unknown. Empty: no answer yet."""
    refusals: int = 0
    """How often the server refused the eviction for the moment."""
    detail: str = ""
    """The server's message of the last refusal or failure."""


class QuorumAction(Struct, frozen=True):
    """One action for a quorum group with a member on the node: what was asked, and how it ended."""

    kind: str
    """`move-leader`, `snapshot` or `defragment`; `read`: the group was read once more right before the reboot, which
    was refused if the group could not do without the node."""
    group: str
    at: datetime
    """When the action was requested."""
    result: str = ""
    """done, refused, gone, stale, failed or unknown. Empty: no answer yet."""
    detail: str = ""
    """The action's result, such as the place, size and hash of a snapshot. Empty: nothing was reported."""


class Retry(Struct, frozen=True):
    """One more attempt at a step, with the reason."""

    at: datetime
    why: str


class OperatorCommand(Struct, frozen=True):
    """A command that an operator gave."""

    at: datetime
    seq: int
    by: str
    kind: str
    """start, pause, resume, abort or release"""
    node: str = ""
    """`cluster/name` of the node, for a release."""
    reason: str = ""
    """The reason as the operator gave it."""


class Halt(Struct, frozen=True):
    """The engine stopped the rollout, so that an operator looks into the failures."""

    at: datetime
    seq: int
    why: str


class GoalChange(Struct, frozen=True):
    """A change of a node's part in the rollout that is not a change of its step."""

    at: datetime
    kind: str
    """canary, no-canary or re-registered"""
    why: str


class ControllerTerm(Struct, frozen=True):
    """A process that carried out the rollout, under one lease."""

    actor: str
    epoch: int
    first_at: datetime
    last_at: datetime
    entries: int


class Timeline:
    """The timeline of one rollout. Entries are applied in the journal's order; those of other rollouts are skipped."""

    def __init__(self, rollout: str, *, keep_entries: bool = True) -> None:
        """Makes the empty timeline of the rollout with that id. Without `keep_entries` only the first and the last
        entry stay in memory."""
        self.id = rollout
        self._keep_entries = keep_entries
        self.rollout: Rollout | None = None
        """None until the rollout's start command has been applied."""
        self.entries: list[JournalEntry] = []
        """The entries of the rollout; empty without `keep_entries`."""
        self.first: JournalEntry | None = None
        self.last: JournalEntry | None = None
        self.count = 0
        """The number of entries of the rollout."""
        self.steps: dict[NodeRef, list[StepTaken]] = {}
        self.evictions: dict[NodeRef, dict[str, Eviction]] = {}
        """The evictions of each node, by uid of the pod."""
        self.quorums: dict[NodeRef, dict[tuple[str, str], QuorumAction]] = {}
        """The actions for quorum groups, by id of the action and group."""
        self.retries: dict[NodeRef, list[Retry]] = {}
        self.changes: dict[NodeRef, list[GoalChange]] = {}
        self.commands: list[OperatorCommand] = []
        self.halts: list[Halt] = []
        self.controllers: dict[tuple[str, int], ControllerTerm] = {}
        self.hooks = HookRuns()
        self.peaks: dict[str, int] = {}
        """The most slots that were taken at once, by pool."""
        self.peak = 0
        self.peak_at: datetime | None = None
        self.released: dict[NodeRef, datetime] = {}
        """When an operator released the slot of a failed run."""
        self._requested: dict[str, tuple[NodeRef, str]] = {}
        """Evictions in flight: id of the action -> node, and uid of the pod."""
        self._out: dict[str, int] = {}

    def apply(self, entries: Iterable[JournalEntry]) -> None:
        """Applies entries, in the journal's order. Raises KeyError or ValueError for records that this program cannot
        have written (see `Rollout.apply`)."""
        for entry in entries:
            if entry.record.rollout != self.id:
                continue
            record = from_record(entry.record)
            if self.rollout is not None:
                self._apply_record(self.rollout, record, entry)
            elif isinstance(record, RolloutStarted):
                self._start(record, entry)
            elif (entry.record.form, entry.record.kind) == ("command", "start"):
                raise ValueError(record.problem if isinstance(record, UnknownRecord) else "")
            else:
                continue
            self.first, self.last, self.count = self.first or entry, entry, self.count + 1
            if self._keep_entries:
                self.entries.append(entry)
            self._credit(record, entry)

    def _start(self, started: RolloutStarted, entry: JournalEntry) -> None:
        self.rollout = Rollout(self.id, started.start, entry.at, entry.actor)
        for ref in self.rollout.runs:
            self.steps[ref] = [StepTaken(str(Step.PENDING), entry.at)]

    def _apply_record(self, rollout: Rollout, record: Journaled, entry: JournalEntry) -> None:
        ref = NodeRef.parse(entry.record.node) if entry.record.node else None
        had = ref is not None and rollout.runs[ref].slot
        rollout.apply(record, entry.at, entry.actor)
        if ref is not None:
            self._count(rollout, ref, had, entry.at)
        match record:
            case StepFinished():
                self._step(record, entry.at)
            case RunRetried():
                self.retries.setdefault(record.node, []).append(Retry(entry.at, record.why))
            case CanaryAppointed() | CanaryDismissed() | NodeReregistered():
                change = GoalChange(entry.at, record.kind, record.why or "")
                self.changes.setdefault(record.node, []).append(change)
            case RolloutHalted():
                self.halts.append(Halt(entry.at, entry.seq, record.why))
            case HookStarted() | HookEnded():
                self.hooks.apply(record, entry.at)
            case Evict():
                self._note_request(record, entry.at)
            case MoveLeader() | SaveSnapshot() | Defragment():
                self._note_quorum(record, record.kind, [record.group], entry.at)
            case Reboot():
                self._note_quorum(record, "read", sorted(record.quorums), entry.at)
            case ActionEnded():
                self._note_answer(record, entry.at)
                self._note_quorum_answer(record)

    def _credit(self, record: Journaled, entry: JournalEntry) -> None:
        if isinstance(record, CommandRecord):
            actor, node = entry.actor, entry.record.node
            self.commands.append(
                OperatorCommand(entry.at, entry.seq, actor, record.kind, node, record.reason)
            )
            return
        key = (entry.actor, entry.epoch)
        term = self.controllers.get(key) or ControllerTerm(entry.actor, entry.epoch, entry.at, entry.at, 0)
        self.controllers[key] = replace(term, last_at=entry.at, entries=term.entries + 1)

    def _count(self, rollout: Rollout, ref: NodeRef, had: bool, at: datetime) -> None:
        """Updates how many slots are taken after an entry about this node. `had`: whether the node had a slot before
        the entry."""
        run = rollout.runs[ref]
        if run.slot == had:
            return
        pool = run.goal.pool
        self._out[pool] = self._out.get(pool, 0) + (1 if run.slot else -1)
        self.peaks[pool] = max(self.peaks.get(pool, 0), self._out[pool])
        out = sum(self._out.values())
        if out > self.peak:
            self.peak, self.peak_at = out, at
        if had and run.ended and run.step is Step.FAILED:
            self.released[ref] = at

    def _step(self, ended: StepFinished, at: datetime) -> None:
        steps = self.steps[ended.node]
        steps[-1] = replace(steps[-1], end=at, turn=str(ended.turn))
        if ended.to not in ENDED:
            steps.append(StepTaken(str(ended.to), at))

    def _note_request(self, action: Evict, at: datetime) -> None:
        self._requested[action.id] = (action.node, action.pod_uid)
        evictions = self.evictions.setdefault(action.node, {})
        if action.pod_uid not in evictions:
            evictions[action.pod_uid] = Eviction(str(action.pod), action.pod_uid, at)

    def _note_answer(self, ended: ActionEnded, at: datetime) -> None:
        pending = self._requested.pop(ended.id, None)
        if pending is None:
            return
        ref, uid = pending
        before = self.evictions[ref][uid]
        refused = ended.result is not Result.DONE and ended.detail
        self.evictions[ref][uid] = replace(
            before,
            answered_at=at,
            result=str(ended.result),
            refusals=before.refusals + (ended.result is Result.REFUSED),
            detail=ended.detail if refused else before.detail,
        )

    def _note_quorum(self, action: Action, kind: str, groups: Sequence[str], at: datetime) -> None:
        actions = self.quorums.setdefault(action.node, {}) if groups else {}
        for group in groups:
            actions[action.id, group] = QuorumAction(kind, group, at)

    def _note_quorum_answer(self, ended: ActionEnded) -> None:
        actions = self.quorums.get(ended.node, {}) if ended.node is not None else {}
        for key, action in actions.items():
            if key[0] == ended.id:
                actions[key] = replace(action, result=str(ended.result), detail=ended.detail)
