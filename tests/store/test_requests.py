"""How many requests were sent: counted on over restarts, added up over clusters, apart by rollout."""

from __future__ import annotations

from fleet.core.records.requests import RequestKind, counts_of_rollout, format_requests
from fleet.store import Store

PATCH, EVICT, LIST = (
    RequestKind("r-1", "patch", "nodes"),
    RequestKind("r-1", "create", "pods/eviction"),
    RequestKind("", "list", "pods"),
)


def test_counts_are_added_over_restarts_and_clusters(place: str) -> None:
    with Store.open(place) as store:
        store.requests.add("east", {PATCH: 3, EVICT: 1, LIST: 2})
        store.requests.add("west", {PATCH: 4})
        store.requests.add("west", {})
    with Store.open(place) as store:
        store.requests.add("east", {PATCH: 1})
        assert store.requests.of("r-1") == {PATCH: 8, EVICT: 1}
        assert store.requests.of("") == {LIST: 2}
        assert not store.requests.of("r-2")


def test_counts_are_shown_per_node_with_the_largest_first() -> None:
    shown = counts_of_rollout("r-1", {EVICT: 1, PATCH: 8, LIST: 2}, 4)
    assert [(each.verb, each.resource, each.count, each.per_node) for each in shown] == [
        ("patch", "nodes", 8, 2.0),
        ("create", "pods/eviction", 1, 0.25),
    ]
    assert format_requests(shown) == "9 API requests, 2.2 a node"
    assert format_requests(counts_of_rollout("r-1", {}, 0)) == ""
