"""Counts go to the database once, and only what is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import SimpleNamespace
from typing import cast

from fleet.core.records.requests import RequestKind
from fleet.drivers.ports import Cluster
from fleet.drivers.request_recorder import RequestRecorder

PATCH, LIST = RequestKind("r-1", "patch", "nodes"), RequestKind("", "list", "pods")


class Book:
    def __init__(self) -> None:
        self.counts: Counter[RequestKind] = Counter()

    def add(self, cluster: str, counts: Mapping[RequestKind, int]) -> None:
        assert cluster == "east" and all(counts.values())
        self.counts.update(counts)


def test_unchanged_counts_are_not_written_again() -> None:
    sent: Counter[RequestKind] = Counter({LIST: 2})
    cluster, book = cast(Cluster, SimpleNamespace(name="east", requests=sent)), Book()
    tally = RequestRecorder([cluster], book)
    tally.flush()
    sent[PATCH] += 5
    tally.flush()
    tally.flush()
    assert book.counts == {LIST: 2, PATCH: 5}
