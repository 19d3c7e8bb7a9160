"""What happened in one rollout, told by its journal entries: steps, evictions, slots, and what people did.

The state comes from `Rollout.apply`; this only writes down when it changed. Its structs are part of the published
JSON of a report (`docs/schemas/report.json`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.core.rollout.rollout import Rollout, Start
from fleet.core.rollout.steps import ENDED, Step, StepResult


class StepTaken(Struct, frozen=True):
    """`pending` and `staged` are waiting; the run was touched in none of them."""

    step: str
    start: datetime
    end: datetime | None = None
    """None: the run is still in it."""
    turn: str = ""
    """How it ended: begin, done, failed, cancelled, back, gone."""

    @property
    def seconds(self) -> float | None:
        return (self.end - self.start).total_seconds() if self.end is not None else None


class Eviction(Struct, frozen=True):
    pod: str
    """namespace/name"""
    uid: str
    asked_at: datetime
    """For the first time."""
    answered_at: datetime | None = None
    """The last answer."""
    result: str = ""
    """Of the last answer: done, refused, gone, stale, failed, unknown; empty: none yet."""
    refusals: int = 0
    """How often the server said: not now."""
    detail: str = ""
    """The server's words of the last refusal or failure."""


class Retry(Struct, frozen=True):
    at: datetime
    why: str


class OperatorCommand(Struct, frozen=True):
    """A person's word."""

    at: datetime
    seq: int
    by: str
    kind: str
    """start, pause, resume, abort, release"""
    node: str = ""
    """`cluster/name`, of a release."""
    reason: str = ""
    """As they told it."""


class Halt(Struct, frozen=True):
    """The engine stopped the rollout, so that a person looks at it."""

    at: datetime
    seq: int
    why: str


class GoalChange(Struct, frozen=True):
    """A node's part in the rollout has changed, and not its step."""

    at: datetime
    kind: str
    """canary, no-canary, re-registered"""
    why: str


class ControllerTerm(Struct, frozen=True):
    """A process that carried the rollout out, under one lease."""

    actor: str
    epoch: int
    first_at: datetime
    last_at: datetime
    entries: int


class Timeline:
    """Of one rollout. Fed its entries in the journal's order; entries of other rollouts are passed over."""

    def __init__(self, rollout: str) -> None:
        self.id = rollout
        self.rollout: Rollout | None = None
        """None until its start command has been told."""
        self.entries: list[JournalEntry] = []
        self.steps: dict[NodeRef, list[StepTaken]] = {}
        self.evictions: dict[NodeRef, dict[str, Eviction]] = {}
        """By the pod's uid."""
        self.retries: dict[NodeRef, list[Retry]] = {}
        self.changes: dict[NodeRef, list[GoalChange]] = {}
        self.commands: list[OperatorCommand] = []
        self.halts: list[Halt] = []
        self.controllers: dict[tuple[str, int], ControllerTerm] = {}
        self.peaks: dict[str, int] = {}
        """Most slots taken at once, by pool."""
        self.peak = 0
        self.peak_at: datetime | None = None
        self.released: dict[NodeRef, datetime] = {}
        """When a person released the slot of a failed run."""
        self._asked: dict[str, tuple[NodeRef, str]] = {}
        """Evictions in flight: action id -> node, uid of the pod."""
        self._out: dict[str, int] = {}

    def apply(self, entries: Iterable[JournalEntry]) -> None:
        """Raises KeyError or ValueError for records that this program cannot have written (see `Rollout.apply`)."""
        for entry in entries:
            if entry.record.rollout != self.id:
                continue
            if self.rollout is None:
                if (entry.record.form, entry.record.kind) != ("command", "start"):
                    continue
                self._start(entry)
            else:
                self._go_on(self.rollout, entry)
            self.entries.append(entry)
            self._credit(entry)

    def _start(self, entry: JournalEntry) -> None:
        start = msgspec.convert(entry.record.detail, Start)
        self.rollout = Rollout(self.id, start, entry.at, entry.actor)
        for ref in self.rollout.runs:
            self.steps[ref] = [StepTaken(str(Step.PENDING), entry.at)]

    def _go_on(self, rollout: Rollout, entry: JournalEntry) -> None:
        record = entry.record
        ref = NodeRef.parse(record.node) if record.node else None
        had = ref is not None and rollout.runs[ref].slot
        rollout.apply(record, entry.at, entry.actor)
        if ref is not None:
            self._count(rollout, ref, had, entry.at)
        match record.form, record.kind:
            case "decision", "step" if ref is not None:
                self._step(ref, record, entry.at)
            case "decision", "retry" if ref is not None:
                self.retries.setdefault(ref, []).append(Retry(entry.at, record.detail["why"]))
            case "decision", ("canary" | "no-canary" | "re-registered") if ref is not None:
                why = record.detail.get("why", "")
                self.changes.setdefault(ref, []).append(GoalChange(entry.at, record.kind, why))
            case "decision", "halt":
                self.halts.append(Halt(entry.at, entry.seq, record.detail["why"]))
            case "intent", "evict" if ref is not None:
                self._ask(ref, record, entry.at)
            case "outcome", "evict":
                self._answer(record, entry.at)

    def _credit(self, entry: JournalEntry) -> None:
        if entry.record.form == "command":
            record = entry.record
            reason = record.detail.get("reason", "")
            told = OperatorCommand(entry.at, entry.seq, entry.actor, record.kind, record.node, reason)
            self.commands.append(told)
            return
        key = (entry.actor, entry.epoch)
        known = self.controllers.get(key) or ControllerTerm(entry.actor, entry.epoch, entry.at, entry.at, 0)
        self.controllers[key] = replace(known, last_at=entry.at, entries=known.entries + 1)

    def _count(self, rollout: Rollout, ref: NodeRef, had: bool, at: datetime) -> None:
        """Who has a slot, after an entry about this node."""
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

    def _step(self, ref: NodeRef, record: JournalRecord, at: datetime) -> None:
        steps = self.steps[ref]
        steps[-1] = replace(steps[-1], end=at, turn=str(StepResult(record.detail["turn"])))
        to = Step(record.detail["to"])
        if to not in ENDED:
            steps.append(StepTaken(str(to), at))

    def _ask(self, ref: NodeRef, record: JournalRecord, at: datetime) -> None:
        uid: str = record.detail["pod_uid"]
        self._asked[record.detail["id"]] = (ref, uid)
        asked = self.evictions.setdefault(ref, {})
        if uid not in asked:
            asked[uid] = Eviction("/".join(record.detail["pod"]), uid, at)

    def _answer(self, record: JournalRecord, at: datetime) -> None:
        asked = self._asked.pop(record.detail["id"], None)
        if asked is None:
            return
        ref, uid = asked
        before = self.evictions[ref][uid]
        result: str = record.detail["result"]
        self.evictions[ref][uid] = replace(
            before,
            answered_at=at,
            result=result,
            refusals=before.refusals + (result == "refused"),
            detail=record.detail.get("detail", before.detail) if result != "done" else before.detail,
        )
