"""Reconstructs what happened in one rollout from its journal entries: its nodes, slots, halts and operators' commands.

The state of the rollout comes from `Rollout.apply`; the timeline only records when that state changed. The structs are
part of the published JSON of a report (`docs/schemas/report.json`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.records.journal import JournalEntry
from fleet.core.reporting.node_timeline import NodeTimeline, OperatorCommand, command_of
from fleet.core.rollout.codec import Journaled, from_record
from fleet.core.rollout.commands import CommandRecord, RolloutStarted
from fleet.core.rollout.decisions import HookEnded, HookStarted, RolloutHalted
from fleet.core.rollout.hooks.hook_runs import HookRuns
from fleet.core.rollout.record import UnknownRecord
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step


class Halt(Struct, frozen=True):
    """The engine stopped the rollout, so that an operator looks into the failures."""

    at: datetime
    seq: int
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
        self.nodes: dict[NodeRef, NodeTimeline] = {}
        """Every node of the rollout."""
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
        self.nodes = {ref: NodeTimeline(entry.at) for ref in self.rollout.runs}

    def _apply_record(self, rollout: Rollout, record: Journaled, entry: JournalEntry) -> None:
        ref = NodeRef.parse(entry.record.node) if entry.record.node else None
        had = ref is not None and rollout.runs[ref].slot
        rollout.apply(record, entry.at, entry.actor)
        if ref is not None:
            self._count(rollout, ref, had, entry.at)
            self.nodes[ref].apply(record, entry)
        match record:
            case RolloutHalted():
                self.halts.append(Halt(entry.at, entry.seq, record.why))
            case HookStarted() | HookEnded():
                self.hooks.apply(record, entry.at)

    def _credit(self, record: Journaled, entry: JournalEntry) -> None:
        if isinstance(record, CommandRecord):
            self.commands.append(command_of(record, entry))
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
