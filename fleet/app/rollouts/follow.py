"""Follows one rollout through the database, the same from any process and whichever controller carries it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import takewhile

from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.rollouts.standstill import standstill
from fleet.app.wiring.home import Home
from fleet.core.objects.node import NodeRef
from fleet.core.planning.eta import seconds_left
from fleet.core.records.held import Held
from fleet.core.records.journal import JournalEntry
from fleet.core.records.requests import RequestCount, counts_of_rollout
from fleet.core.reporting.node_timeline import NodeTimeline
from fleet.core.reporting.standstill import Standstill
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.rollout import Rollout


def node_timeline(home: Home, rollout: Rollout, ref: NodeRef) -> NodeTimeline:
    """Returns what the rollout has done on one of its nodes. Only the entries about this node are read."""
    found = NodeTimeline(rollout.started_at)
    found.read(home.store.journal.entries(rollout=rollout.id, node=str(ref)))
    return found


class Follower:
    """Follows one rollout: `look` reads new entries. What was done on a node before is read when it is asked for."""

    def __init__(self, home: Home, rollouts: Rollouts, ident: str) -> None:
        """Follows the rollout of that id, which is brought up to date in place. Raises UsageError where there is none."""
        self._home = home
        self._store = home.store
        self.rollout = rollouts.named(ident)
        self._seq = rollouts.seq
        self._nodes: dict[NodeRef, NodeTimeline] = {}
        self.held: dict[NodeRef, tuple[Held, ...]] = {}
        self.held_since: dict[NodeRef, datetime] = {}
        self._read_held()
        self.plan = self._store.plans.find(self.rollout.start.plan)
        planned = self.plan.runs if self.plan is not None else ()
        self.pods = {NodeRef(run.cluster, run.node): len(run.evictions) for run in planned}

    def look(self) -> Sequence[JournalEntry]:
        """Reads and returns the entries since the last call, or since the rollouts were loaded."""
        entries = list(self._store.journal.entries(rollout=self.rollout.id, after=self._seq))
        if entries:
            self._seq = entries[-1].seq
            rollouts_of(entries, {self.rollout.id: self.rollout})
            # They are read again, whole, when they are asked for next.
            for entry in entries:
                if entry.record.node:
                    self._nodes.pop(NodeRef.parse(entry.record.node), None)
        self._read_held()
        return entries

    def so_far(self) -> Sequence[JournalEntry]:
        """Returns the entries up to the last look."""
        entries = self._store.journal.entries(rollout=self.rollout.id)
        return list(takewhile(lambda entry: entry.seq <= self._seq, entries))

    def nodes(self, refs: Iterable[NodeRef]) -> Mapping[NodeRef, NodeTimeline]:
        """Returns what the rollout has done on these nodes."""
        return {ref: self._node(ref) for ref in refs}

    def _node(self, ref: NodeRef) -> NodeTimeline:
        if ref not in self._nodes:
            self._nodes[ref] = node_timeline(self._home, self.rollout, ref)
        return self._nodes[ref]

    def _read_held(self) -> None:
        board = self._store.held.of(self.rollout.id)
        self.held = {NodeRef.parse(node): row.held for node, row in board.items()}
        self.held_since = {NodeRef.parse(node): row.since for node, row in board.items()}

    @property
    def requests(self) -> tuple[RequestCount, ...]:
        """Returns how many requests have been sent to API servers for the rollout so far."""
        ident = self.rollout.id
        return counts_of_rollout(ident, self._store.requests.of(ident), len(self.rollout.acted))

    @property
    def now(self) -> datetime:
        return self._home.now()

    @property
    def standstill(self) -> Standstill | None:
        """Returns why the rollout stands still. None: a controller is at work, or the rollout has ended."""
        return standstill(self._home, [self.rollout])

    @property
    def eta(self) -> int | None:
        return seconds_left(self.rollout, self.plan, self.now) if self.plan is not None else None
