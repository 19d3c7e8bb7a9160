"""Follows one rollout through the database, the same from any process and whichever controller carries it out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fleet.app.rollouts.standstill import standstill
from fleet.app.wiring.home import Home
from fleet.core.objects.node import NodeRef
from fleet.core.planning.eta import seconds_left
from fleet.core.records.errors import UsageError
from fleet.core.records.held import Held
from fleet.core.records.journal import JournalEntry
from fleet.core.records.requests import RequestCount, counts_of_rollout
from fleet.core.reporting.standstill import Standstill
from fleet.core.reporting.timeline import Timeline
from fleet.core.rollout.rollout import Rollout


class Follower:
    """Follows one rollout: `look` reads new entries, and nothing is read between two calls."""

    def __init__(self, home: Home, rollout: str) -> None:
        """Follows the rollout of that id. Raises UsageError where the journal has no such rollout."""
        self._home = home
        self._store = home.store
        self.chronicle = Timeline(rollout)
        self._seq = 0
        self.held: dict[NodeRef, tuple[Held, ...]] = {}
        self.held_since: dict[NodeRef, datetime] = {}
        self.look()
        if self.chronicle.rollout is None:
            raise UsageError(f"there is no rollout {rollout}", "fleet rollout list")
        self.plan = self._store.plans.find(self.rollout.start.plan)
        planned = self.plan.runs if self.plan is not None else ()
        self.pods = {NodeRef(run.cluster, run.node): len(run.evictions) for run in planned}

    @property
    def rollout(self) -> Rollout:
        assert self.chronicle.rollout is not None
        return self.chronicle.rollout

    def look(self) -> Sequence[JournalEntry]:
        """Reads and returns the entries since the last call."""
        entries = list(self._store.journal.entries(rollout=self.chronicle.id, after=self._seq))
        if entries:
            self._seq = entries[-1].seq
            self.chronicle.apply(entries)
        self._read_held()
        return entries

    def _read_held(self) -> None:
        board = self._store.held.of(self.chronicle.id)
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
