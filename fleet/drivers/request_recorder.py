"""Counts the requests that a controller sends, and writes the counts to the database now and then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fleet.core.records.requests import RequestKind
from fleet.drivers.ports import Cluster, RequestCounts


class RequestRecorder:
    """Writes differences, so that several controllers may count in one database."""

    def __init__(self, clusters: Iterable[Cluster], book: RequestCounts) -> None:
        self._clusters = tuple(clusters)
        self._book = book
        self._written: dict[str, Counter[RequestKind]] = {
            cluster.name: Counter() for cluster in self._clusters
        }

    def flush(self) -> None:
        """Writes what was sent since the last time."""
        for cluster in self._clusters:
            sent = Counter(cluster.requests)
            self._book.add(cluster.name, sent - self._written[cluster.name])
            self._written[cluster.name] = sent
