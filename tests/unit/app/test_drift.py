"""Drift and orphans from a database: since when a node is not Ready."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.app.reporting.drift import drift_of, orphans_of
from fleet.app.wiring.home import Home
from fleet.core.records.errors import UsageError
from fleet.core.reporting.selection import Selection
from tests.unit.app.homes import a_home, small_cluster


def kinds(home: Home) -> list[str]:
    return [one.kind for one in orphans_of(home).findings]


def test_node_is_an_orphan_after_an_hour_without_ready(tmp_path: Path) -> None:
    small = small_cluster()
    home = a_home(tmp_path / "home", small)
    away = replace(small, nodes=(replace(small.nodes[0], ready=False), *small.nodes[1:]))
    inventory, now = home.store.inventory, home.now()
    inventory.sync(small, at=now - timedelta(hours=3), source="sync")
    inventory.sync(away, at=now - timedelta(minutes=30), source="sync")
    assert "not-ready" not in kinds(home)
    inventory.sync(small, at=now - timedelta(minutes=20), source="sync")
    inventory.sync(replace(away, machines=()), at=now - timedelta(minutes=10), source="sync")
    assert "not-ready" not in kinds(home)


def test_since_is_when_the_last_time_without_ready_began(tmp_path: Path) -> None:
    small = small_cluster()
    home = a_home(tmp_path / "home", small)
    away = replace(small, nodes=(replace(small.nodes[0], ready=False), *small.nodes[1:]))
    began = home.now() - timedelta(hours=2)
    home.store.inventory.sync(small, at=began - timedelta(hours=1), source="sync")
    home.store.inventory.sync(away, at=began, source="sync")
    (found,) = [one for one in orphans_of(home).findings if one.kind == "not-ready"]
    assert (found.name, found.since) == (small.nodes[0].name, began)


def test_selected_nodes_are_compared_with_their_whole_pool(tmp_path: Path) -> None:
    small = small_cluster()
    home = a_home(tmp_path / "home", small)
    odd = replace(small, nodes=(replace(small.nodes[0], kubelet="v1.20.0"), *small.nodes[1:]))
    home.store.inventory.sync(odd, at=home.now(), source="sync")
    found = drift_of(home, Selection(clusters=(small.cluster,)))
    assert [(one.node, one.kind) for one in found.findings if one.kind == "kubelet"] == [
        (small.nodes[0].name, "kubelet")
    ]


@pytest.mark.parametrize(
    "selection", [Selection(clusters=("none",)), Selection(sites=("none",)), Selection(pools=("none",))]
)
def test_part_of_the_fleet_that_does_not_exist_is_refused(tmp_path: Path, selection: Selection) -> None:
    home = a_home(tmp_path / "home")
    home.store.inventory.sync(small_cluster(), at=home.now(), source="sync")
    with pytest.raises(UsageError):
        drift_of(home, selection)
