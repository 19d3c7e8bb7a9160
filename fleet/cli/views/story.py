"""The story of a simulated quarter: a line for each thing that happened, by the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from textwrap import wrap

from msgspec import UnsetType

from fleet.app.demo.play import Told
from fleet.core.planning.plan import short_id
from fleet.core.records.journal import JournalEntry
from fleet.core.rollout.codec import Journaled, from_record
from fleet.core.rollout.commands import (
    NodeReleased,
    PlanApproved,
    PlanRejected,
    RolloutAborted,
    RolloutStarted,
)
from fleet.core.rollout.decisions import (
    GatePassed,
    GateReached,
    RolloutFinished,
    RolloutHalted,
    StepFinished,
)
from fleet.core.rollout.steps import Step
from fleet.core.text.counts import counted
from fleet.core.text.visible import visible

WIDTH = 80
INDENT = 20
POLICY = "policy/"
"""The actors whose names begin so are standing policies."""


class StoryText:
    """Turns what is told into lines of at most 80 columns, with a head for each week."""

    def __init__(self) -> None:
        self._week = (0, 0)
        self._ended: dict[str, Counter[Step]] = {}
        """How many nodes of each rollout are done, and how many have failed."""
        self._nodes: dict[str, int] = {}

    def lines(self, told: Told) -> Iterator[str]:
        """Yields the lines; none for what is not worth telling."""
        text = told.text if told.entry is None else self._sentence(told.entry)
        if not text:
            return
        week = told.at.isocalendar()[:2]
        if week != self._week:
            self._week = week
            yield f"\nWeek {week[1]} of {week[0]}"
        day = f"  {told.at:%a} {told.at.day:>2} {told.at:%b %H:%M}  "
        yield from wrap(
            visible(text),
            WIDTH,
            initial_indent=day,
            subsequent_indent=" " * INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def _sentence(self, entry: JournalEntry) -> str:
        record = from_record(entry.record)
        if isinstance(record, RolloutStarted):
            self._nodes[record.rollout] = len(record.start.goals)
            return _started(record, entry.actor)
        if isinstance(record, StepFinished):
            return self._step(record)
        if isinstance(record, GateReached | RolloutFinished):
            return f"{record.rollout}: {self._so_far(record)}"
        return _other(record, _person(entry.actor))

    def _step(self, record: StepFinished) -> str:
        if record.to in (Step.DONE, Step.FAILED):
            self._ended.setdefault(record.rollout, Counter())[record.to] += 1
        if record.to is not Step.FAILED:
            return ""
        why = "" if isinstance(record.why, UnsetType) else record.why
        return f"{record.rollout}: {record.node} fails: {why.partition(': systemctl')[0]}"

    def _so_far(self, record: GateReached | RolloutFinished) -> str:
        ended = self._ended.get(record.rollout, Counter())
        failed = f", {ended[Step.FAILED]} failed" if ended[Step.FAILED] else ""
        done = f"{ended[Step.DONE]} of {counted(self._nodes.get(record.rollout, 0), 'node')} done{failed}"
        if isinstance(record, RolloutFinished):
            return f"it has ended, {done}"
        return f"the gates behind {record.point} begin, {done}"


def _started(record: RolloutStarted, actor: str) -> str:
    start = record.start
    pools = ", ".join(dict.fromkeys(goal.pool for goal in start.goals))
    what = f"{counted(len(start.goals), 'node')} of pool {pools} go to {start.release.version}"
    if actor.startswith(POLICY):
        grounds = "" if isinstance(start.standing, UnsetType) else "; ".join(start.standing.grounds)
        return f"{record.rollout} is started by the policy itself: {what}. The release qualifies: {grounds}"
    return f"{_person(actor)} starts {record.rollout}: {what}"


def _other(record: Journaled, by: str) -> str:
    match record:
        case PlanApproved() if not record.by.name.startswith(POLICY):
            return f"{by} approves plan {short_id(record.plan)} of {record.asked_by}: {record.reason}"
        case PlanRejected():
            return f"{by} refuses plan {short_id(record.plan)}: {record.reason}"
        case NodeReleased():
            return f"{by} releases {record.node}: {record.reason}"
        case RolloutAborted():
            return f"{by} aborts {record.rollout}: {record.reason}"
        case RolloutHalted():
            return f"{record.rollout} halts itself: {record.why.partition(': ')[0]}"
        case GatePassed():
            return f"{record.rollout}: gate {record.gate} has passed, the rest may begin"
    return ""


def _person(actor: str) -> str:
    """Returns the name in an actor of the journal."""
    return actor.partition(" (")[0]


def progress_text(at: datetime, begin: datetime, end: datetime) -> str:
    """Returns how far the story is, for one line."""
    share = (at - begin) / (end - begin)
    cells = round(20 * share)
    return f"[{'#' * cells}{'-' * (20 - cells)}] {at:%a} {at.day} {at:%B}, {share:.0%} of the quarter"
