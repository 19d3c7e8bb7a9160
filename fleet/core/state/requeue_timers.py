"""Timers: the times at which the engine looks at a node again without an event."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from heapq import heappop, heappush

from fleet.core.objects.node import NodeRef

RECHECK_SECONDS = 15.0
"""The seconds after which a waiting step is checked again, should no event report that its wait is over."""


class RequeueTimers:
    def __init__(self) -> None:
        self._timers: list[tuple[datetime, NodeRef]] = []
        self._armed: set[tuple[datetime, NodeRef]] = set()
        self._openings: set[tuple[datetime, NodeRef]] = set()
        """The timers at which time alone opens what holds a node."""
        self._rechecks: dict[NodeRef, datetime] = {}
        """The time at which the next recheck of a node is due, by node."""

    def wake_at(self, ref: NodeRef, when: datetime) -> None:
        """Sets a timer for the node; a timer that is set already is not set twice."""
        if (when, ref) not in self._armed:
            self._armed.add((when, ref))
            heappush(self._timers, (when, ref))

    def opens_at(self, ref: NodeRef, when: datetime) -> None:
        """Sets a timer for the moment at which the node is no longer held, whatever else happens."""
        self._openings.add((when, ref))
        self.wake_at(ref, when)

    def recheck(self, ref: NodeRef, now: datetime) -> None:
        """Sets a timer that is due after `RECHECK_SECONDS` at the latest.

        However often that is asked for meanwhile, one recheck is due: else each event of a long wait would be followed
        by rechecks of its own until the wait is over.
        """
        due = self._rechecks.get(ref)
        if due is None or due <= now:
            due = self._rechecks[ref] = now + timedelta(seconds=RECHECK_SECONDS)
            self.wake_at(ref, due)

    def pop_due(self, now: datetime) -> Iterator[NodeRef]:
        """Yields the nodes whose timer is due, earliest first, and removes their timers."""
        while self._timers and self._timers[0][0] <= now:
            timer = heappop(self._timers)
            self._armed.discard(timer)
            self._openings.discard(timer)
            yield timer[1]

    @property
    def opens(self) -> bool:
        """True if time alone will open what holds some node."""
        return bool(self._openings)

    @property
    def next_wake(self) -> datetime | None:
        """The time of the earliest timer."""
        return self._timers[0][0] if self._timers else None
