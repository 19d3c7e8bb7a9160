"""Clusters: added, seen, lost, removed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from fleet.core.records.errors import UsageError
from fleet.lab.simulation.builders import START, a_node, a_snapshot
from fleet.store import ClusterRow, Store

EAST = ClusterRow(name="east", sites=("fra", "ber"), kubeconfig="kc", context="admin", uid="uid-east")
LATER = START + timedelta(minutes=14)


def test_cluster_is_read_as_it_was_added(store: Store) -> None:
    west = ClusterRow(
        name="west", sites=("nyc",), kind="simulated", last_seen=START, server_version="v1.36.3"
    )
    store.clusters.add(west)
    store.clusters.add(EAST)
    assert store.clusters.list() == [EAST, west]
    assert store.clusters.get("west") == west


def test_name_is_unique(store: Store) -> None:
    store.clusters.add(EAST)
    with pytest.raises(UsageError, match="cluster east is in the fleet already"):
        store.clusters.add(replace(EAST, uid="another"))


def test_cluster_has_one_name_in_the_fleet(store: Store) -> None:
    store.clusters.add(EAST)
    with pytest.raises(UsageError, match="in the fleet already, as east"):
        store.clusters.add(replace(EAST, name="orient"))
    store.clusters.add(ClusterRow(name="a"))
    store.clusters.add(ClusterRow(name="b"))


def test_last_seen_and_why_it_is_unreachable(store: Store) -> None:
    store.clusters.add(EAST)
    store.clusters.touch("east", at=START, version="v1.36.3")
    seen = replace(EAST, last_seen=START, server_version="v1.36.3")
    assert store.clusters.get("east") == seen
    store.clusters.touch("east", at=LATER, error="connection refused")
    store.clusters.touch("east", at=LATER + timedelta(minutes=1), error="timed out")
    assert store.clusters.get("east") == replace(seen, last_error="timed out", error_since=LATER)
    again = LATER + timedelta(minutes=2)
    store.clusters.touch("east", at=again)
    assert store.clusters.get("east") == replace(seen, last_seen=again)


def test_a_cluster_can_be_changed(store: Store) -> None:
    store.clusters.add(EAST)
    changed = replace(EAST, sites=("ber",), context="other")
    store.clusters.update(changed)
    assert store.clusters.list() == [changed]


def test_unknown_name_lists_the_known_ones(store: Store) -> None:
    store.clusters.add(EAST)
    with pytest.raises(UsageError) as caught:
        store.clusters.get("weast")
    assert caught.value.hint == "known: east"
    with pytest.raises(UsageError, match="no cluster weast"):
        store.clusters.remove("weast", at=START)
    with pytest.raises(UsageError, match="no cluster weast"):
        store.clusters.touch("weast", at=START)
    with pytest.raises(UsageError, match="no cluster weast"):
        store.clusters.update(replace(EAST, name="weast"))


def test_removed_cluster_stays_in_the_history(store: Store) -> None:
    store.clusters.add(EAST)
    store.inventory.sync(a_snapshot([a_node("n-1")]), at=START, source="sync")
    store.clusters.remove("east", at=LATER)
    assert store.clusters.list() == []
    assert store.inventory.nodes() == []
    assert [row.name for row in store.inventory.nodes_at(START)] == ["n-1"]
    store.clusters.add(EAST)
    assert store.clusters.list() == [EAST]
    assert store.inventory.nodes() == []
