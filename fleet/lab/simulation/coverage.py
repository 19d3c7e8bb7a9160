"""Counts what histories have covered: transitions of the table, reasons, faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fleet.core.objects.node import NodeRef
from fleet.core.records.held import Held
from fleet.core.records.journal import JournalEntry
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.decisions import StepFinished
from fleet.core.rollout.steps import Step, StepResult


class Coverage:
    def __init__(self) -> None:
        self.turns: Counter[tuple[Step, StepResult]] = Counter()
        self.reasons: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        """The faults that had something to act on."""
        self._steps: dict[tuple[str, NodeRef], Step] = {}

    def journaled(self, entry: JournalEntry) -> None:
        record = from_record(entry.record)
        if isinstance(record, StepFinished):
            run = (record.rollout, record.node)
            before = self._steps.get(run, Step.PENDING)
            self.turns[before, record.turn] += 1
            self._steps[run] = record.to

    def held(self, held: Iterable[tuple[Held, ...]]) -> None:
        self.reasons.update(held_reason.reason.value for of_run in held for held_reason in of_run)

    def add(self, other: Coverage) -> None:
        self.turns.update(other.turns)
        self.reasons.update(other.reasons)
        self.faults.update(other.faults)
