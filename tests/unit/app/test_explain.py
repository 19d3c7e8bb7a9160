"""Why a node waits, asked of the guards on what the inventory knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.app.inventory.sync import sync
from fleet.app.reporting.blockers import blockers
from fleet.app.reporting.explain import explain
from fleet.app.reporting.status import fleet_status
from fleet.app.rollouts.follow import Follower
from fleet.app.rollouts.rollouts import Rollouts
from fleet.cli.views.explain import whole
from fleet.core.objects.node import NodeRef
from fleet.core.records.errors import UsageError
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from tests.unit.app.homes import a_home, a_started_rollout, small_cluster


def test_node_outside_of_rollouts_shows_what_would_hold_it(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    sync(home)
    reported = explain(home, "n-3", blockers)
    assert reported.status.state == "outdated"
    assert [held.reason for held in reported.held] == [Reason.BUDGET_NEVER]
    assert explain(home, "n-1", blockers).held == ()


def test_reasons_that_need_an_operator_come_first(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    reported = explain(home, "east/n-2", blockers)
    assert reported.status.rollout == "r-1"
    assert reported.held[0].reason is Reason.FOREIGN_CORDON
    assert [(each.what, each.rollout) for each in reported.history] == [("start", "r-1")]


def test_explain_begins_with_what_every_other_view_shows(tmp_path: Path) -> None:
    """The controller has written down a limit that is full; what the guards find beside it comes after."""
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    full = Held(Reason.POOL_LIMIT, "workers", {"out": 2, "limit": 2})
    cordoned = Held(Reason.FOREIGN_CORDON, "n-2")
    mended = Held(Reason.UNMANAGED, "ops/debug")
    board = {"east/n-1": (full,), "east/n-2": (full,), "east/n-4": (mended, full)}
    home.store.held.replace("r-1", board, at=home.now())
    shown = {node.name: node.held for node in fleet_status(home).nodes}
    follower = Follower(home, Rollouts.load(home.store), "r-1")
    for name in ("n-1", "n-2"):
        reported = explain(home, name, blockers)
        assert full in reported.held
        assert follower.held[NodeRef("east", name)] == (full,) and shown[name] == (full.message,)
    assert explain(home, "n-1", blockers).held[0] == full
    assert explain(home, "n-2", blockers).held == (cordoned, full), "a person has to act on that first"
    assert mended not in explain(home, "n-4", blockers).held


def test_name_in_two_clusters_needs_its_cluster(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home", small_cluster(), small_cluster("west"))
    sync(home)
    with pytest.raises(UsageError, match="n-1 is ambiguous: east/n-1, west/n-1"):
        explain(home, "n-1", blockers)
    assert explain(home, "west/n-1", blockers).status.cluster == "west"


def test_misspelt_node_gets_the_nearest_name(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    sync(home)
    with pytest.raises(UsageError) as refused:
        explain(home, "m-4", blockers)
    assert refused.value.hint == "did you mean n-4?"


def test_deleted_node_is_reported_as_gone_with_its_history(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    left = small_cluster()
    left = replace(left, nodes=left.nodes[1:], machines=left.machines[1:])
    home.store.inventory.sync(left, at=home.now(), source="sync")
    reported = explain(home, "n-1", blockers)
    assert reported.gone == "its run in r-1 is pending" and reported.held == ()
    assert [each.what for each in reported.history] == ["start"]
    shown = whole(reported).plain
    assert shown.startswith("n-1 (east, zone a, pool workers) is gone: ")
    assert "cordoned" not in shown and "Ready" not in shown and "waits" not in shown
