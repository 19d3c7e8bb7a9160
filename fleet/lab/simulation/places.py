"""Keeps, as the Lease of each cluster does, how far the journal of a history had come before the last act that must not
happen twice."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.core.records.journal import JournalEntry
from fleet.lab.simulation.journal import SimulatedJournal


class NotedPlaces:
    def __init__(self, journal: SimulatedJournal) -> None:
        self._journal = journal
        self._noted: dict[str, JournalEntry] = {}

    def note(self, clusters: Iterable[str]) -> None:
        """Notes the newest entry in the leases of the clusters."""
        for cluster in clusters:
            self._noted[cluster] = self._journal.entries[-1]

    def is_lost(self, cluster: str) -> bool:
        """Returns whether the journal lacks the entry that the cluster's lease notes. Nothing is done there then."""
        noted, entries = self._noted.get(cluster), self._journal.entries
        return noted is not None and (len(entries) < noted.seq or entries[noted.seq - 1] is not noted)

    def accept(self, cluster: str) -> None:
        """Accepts, as an operator does, that the entry is lost."""
        self._noted.pop(cluster, None)
