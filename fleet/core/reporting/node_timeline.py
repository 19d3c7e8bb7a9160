"""Reconstructs what a rollout did on one node from the journal entries about this node: steps, evictions, retries, commands.

The structs are part of the published JSON of a report (`docs/schemas/report.json`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

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
from fleet.core.rollout.commands import CommandRecord
from fleet.core.rollout.decisions import (
    CanaryAppointed,
    CanaryDismissed,
    NodeReregistered,
    RunRetried,
    StepFinished,
)
from fleet.core.rollout.record import ActionEnded
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


class GoalChange(Struct, frozen=True):
    """A change of a node's part in the rollout that is not a change of its step."""

    at: datetime
    kind: str
    """canary, no-canary or re-registered"""
    why: str


class NodeTimeline:
    """Says what one rollout did on one node. Entries are applied in the journal's order."""

    def __init__(self, started_at: datetime) -> None:
        """Makes the timeline of a node when its rollout starts."""
        self.steps = [StepTaken(str(Step.PENDING), started_at)]
        self.evictions: dict[str, Eviction] = {}
        """The evictions by uid of the pod."""
        self.quorums: dict[tuple[str, str], QuorumAction] = {}
        """The actions for quorum groups, by id of the action and group."""
        self.retries: list[Retry] = []
        self.changes: list[GoalChange] = []
        self.commands: list[OperatorCommand] = []
        """The commands about this node."""
        self._requested: dict[str, str] = {}
        """Evictions in flight: uid of the pod by id of the action."""

    def read(self, entries: Iterable[JournalEntry]) -> None:
        """Applies entries about this node and its rollout."""
        for entry in entries:
            self.apply(from_record(entry.record), entry)

    def apply(self, record: Journaled, entry: JournalEntry) -> None:
        """Applies one entry about this node. `record` is the content of the entry."""
        at = entry.at
        match record:
            case StepFinished():
                self._step(record, at)
            case RunRetried():
                self.retries.append(Retry(at, record.why))
            case CanaryAppointed() | CanaryDismissed() | NodeReregistered():
                self.changes.append(GoalChange(at, record.kind, record.why or ""))
            case Evict():
                self._note_request(record, at)
            case MoveLeader() | SaveSnapshot() | Defragment():
                self._note_quorum(record, record.kind, [record.group], at)
            case Reboot():
                self._note_quorum(record, "read", sorted(record.quorums), at)
            case ActionEnded():
                self._note_answer(record, at)
                self._note_quorum_answer(record)
            case CommandRecord():
                self.commands.append(command_of(record, entry))

    def _step(self, ended: StepFinished, at: datetime) -> None:
        self.steps[-1] = replace(self.steps[-1], end=at, turn=str(ended.turn))
        if ended.to not in ENDED:
            self.steps.append(StepTaken(str(ended.to), at))

    def _note_request(self, action: Evict, at: datetime) -> None:
        self._requested[action.id] = action.pod_uid
        if action.pod_uid not in self.evictions:
            self.evictions[action.pod_uid] = Eviction(str(action.pod), action.pod_uid, at)

    def _note_answer(self, ended: ActionEnded, at: datetime) -> None:
        uid = self._requested.pop(ended.id, None)
        if uid is None:
            return
        before = self.evictions[uid]
        refused = ended.result is not Result.DONE and ended.detail
        self.evictions[uid] = replace(
            before,
            answered_at=at,
            result=str(ended.result),
            refusals=before.refusals + (ended.result is Result.REFUSED),
            detail=ended.detail if refused else before.detail,
        )

    def _note_quorum(self, action: Action, kind: str, groups: Sequence[str], at: datetime) -> None:
        for group in groups:
            self.quorums[action.id, group] = QuorumAction(kind, group, at)

    def _note_quorum_answer(self, ended: ActionEnded) -> None:
        for key, action in self.quorums.items():
            if key[0] == ended.id:
                self.quorums[key] = replace(action, result=str(ended.result), detail=ended.detail)


def command_of(record: CommandRecord, entry: JournalEntry) -> OperatorCommand:
    """Returns the command that the entry records, with who gave it and when."""
    return OperatorCommand(entry.at, entry.seq, entry.actor, record.kind, entry.record.node, record.reason)
