"""Holds the future events of a model cluster in order. The entries are plain strings, so that they can be saved."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

Due = tuple[float, int, str, tuple[str, ...]]
"""The time in seconds, a number that keeps entries of one moment in order, the kind of the event, and its arguments."""


class EventQueue:
    def __init__(self, entries: list[Due] | None = None, made: int = 0) -> None:
        self.entries = entries or []
        """The entries, as a heap."""
        self.made = made
        heapify(self.entries)

    def add(self, at: float, kind: str, *arguments: str) -> None:
        self.made += 1
        heappush(self.entries, (at, self.made, kind, arguments))

    def next_at(self) -> float | None:
        return self.entries[0][0] if self.entries else None

    def pop(self, until: float) -> Due | None:
        """Removes and returns the earliest entry if it is due by then."""
        if self.entries and self.entries[0][0] <= until:
            return heappop(self.entries)
        return None
