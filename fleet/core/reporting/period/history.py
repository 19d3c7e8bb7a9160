"""The nodes' releases over time, read from the journal: which node was seen with which version, and which attempts to
upgrade it there were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

from msgspec import Struct, field

from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.policy.times.calendar_events import with_events, with_freezes
from fleet.core.policy.times.freezes import Freezes
from fleet.core.records.journal import JournalEntry
from fleet.core.releases.release import Release
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.commands import CalendarsRead, FreezesChanged, RolloutStarted
from fleet.core.rollout.decisions import RolloutFinished, StepFinished
from fleet.core.rollout.steps import Step

KINDS = ("start", "calendars", "freezes", "step", "finish")
"""The kinds of records that are read."""


class Sighting(Struct, frozen=True, gc=False):
    """One moment at which it was known which version a node ran."""

    at: datetime
    version: str


class Attempt(Struct, frozen=True, gc=False):
    """A run that failed or was cancelled."""

    at: datetime
    rollout: str
    version: str
    ending: Literal["failed", "cancelled"]
    why: str


class NodeHistory(Struct):
    """The history of one node."""

    cluster: str
    node: str
    pool: str
    """The pool that the node was in when it was seen last."""
    sightings: list[Sighting] = field(default_factory=list)
    """In order."""
    attempts: list[Attempt] = field(default_factory=list)
    asked: list[datetime] = field(default_factory=list)
    """When rollouts that name the node were started."""
    gone: datetime | None = None
    """When the node was no longer in the inventory. None: it is still there, or this is not known."""
    site: str = ""
    """The site, by the last rollout that names the node. Empty: none does."""


class RolloutSpan(Struct):
    """Says when a rollout began and ended."""

    rollout: str
    started: datetime
    release: Release
    pools: frozenset[str]
    ended: datetime | None = None


class FleetHistory:
    """The history of all nodes that a rollout has named. Entries are applied in the journal's order."""

    def __init__(self, end: datetime) -> None:
        """Makes the empty history. Entries from `end` on are ignored."""
        self.end = end
        self.nodes: dict[NodeRef, NodeHistory] = {}
        self.rollouts: dict[str, RolloutSpan] = {}
        """The rollouts by id, oldest first."""
        self.policies: list[Policy] = []
        """The policies by which rollouts went, oldest first; each once."""
        self._policy_of: dict[str, Policy] = {}
        """The policy of each rollout, with the freezes by which it went last."""
        self._why: dict[tuple[str, NodeRef], str] = {}
        """Why a run is being given back: recorded with the step before its end."""

    def apply(self, entries: Iterable[JournalEntry]) -> None:
        """Applies entries. Those of other kinds than KINDS, and those that this version of fleet cannot read, change
        nothing: reports of single rollouts name the latter."""
        for entry in entries:
            if entry.at < self.end and entry.record.kind in KINDS:
                self._apply(entry)

    def _apply(self, entry: JournalEntry) -> None:
        match from_record(entry.record):
            case RolloutStarted() as record:
                self._start(record, entry.at)
            case StepFinished() as record:
                self._step(record, entry.at)
            case CalendarsRead() as record if record.rollout in self.rollouts:
                self._add_policy(with_events(self._policy_of[record.rollout], record.events))
            case FreezesChanged() as record if record.rollout in self.rollouts:
                policy = with_freezes(self._policy_of[record.rollout], record.freezes, record.calendars)
                self._policy_of[record.rollout] = policy
                self._add_policy(policy)
            case RolloutFinished() as record if record.rollout in self.rollouts:
                self.rollouts[record.rollout].ended = entry.at
            case _:
                pass

    def _add_policy(self, policy: Policy) -> None:
        if not self.policies or self.policies[-1] != policy:
            self.policies.append(policy)

    def _start(self, record: RolloutStarted, at: datetime) -> None:
        start = record.start
        pools = frozenset(goal.pool for goal in start.goals)
        self.rollouts[record.rollout] = RolloutSpan(record.rollout, at, start.release, pools)
        self._policy_of[record.rollout] = start.policy
        self._add_policy(start.policy)
        for goal in start.goals:
            known = self.nodes.setdefault(
                goal.node, NodeHistory(goal.node.cluster, goal.node.name, goal.pool)
            )
            known.pool, known.site = goal.pool, goal.site
            known.asked.append(at)
            if goal.from_version:
                known.sightings.append(Sighting(at, goal.from_version))

    def _step(self, record: StepFinished, at: datetime) -> None:
        rollout, known = self.rollouts.get(record.rollout), self.nodes.get(record.node)
        if rollout is None or known is None:
            return
        version = rollout.release.version
        if isinstance(record.why, str):
            self._why[record.rollout, record.node] = record.why
        if record.to is Step.DONE:
            known.sightings.append(Sighting(at, version))
        elif record.to in (Step.FAILED, Step.CANCELLED):
            why = self._why.get((record.rollout, record.node), "")
            ending: Literal["failed", "cancelled"] = "failed" if record.to is Step.FAILED else "cancelled"
            known.attempts.append(Attempt(at, record.rollout, version, ending, why))
        if isinstance(record.rolled_back, str) and record.rolled_back:
            known.sightings.append(Sighting(at, record.rolled_back))

    def within(self, begin: datetime) -> Iterator[RolloutSpan]:
        """Yields the rollouts that were active at some time from `begin` to the end of this history."""
        for rollout in self.rollouts.values():
            if rollout.ended is None or rollout.ended >= begin:
                yield rollout


def freezes_of(policy: Policy) -> Freezes:
    """Returns the freezes of a policy, its own and those of its calendars."""
    return Freezes(policy.freezes, policy.freeze_calendars)


def releases_by_stream(policies: Iterable[Policy]) -> dict[str, tuple[Release, ...]]:
    """Returns the releases of each stream, oldest first. `policies`: oldest first. A release that a later policy no
    longer lists stays before those that it lists; for a release that both list, the later policy decides."""
    streams: dict[str, tuple[Release, ...]] = {}
    for policy in policies:
        for stream in policy.streams:
            listed = {release.version for release in stream.releases}
            before = [each for each in streams.get(stream.name, ()) if each.version not in listed]
            streams[stream.name] = (*before, *stream.releases)
    return streams
