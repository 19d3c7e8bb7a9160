"""Clusters: read into the inventory, found, refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.app.inventory.clusters import add, check, checked, remove
from fleet.app.inventory.sync import sync
from fleet.app.reporting.status import all_clusters, fleet_status
from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import refresh
from fleet.app.wiring.sources.kubeconfig import rule_name
from fleet.app.wiring.sources.source import Inspection
from fleet.cli.views.cluster import found
from fleet.core.objects.pod import Owner, Pod
from fleet.core.records.errors import HeldError, UnreachableError, UsageError
from fleet.kube.objects.permissions import Permission
from fleet.lab.simulation.builders import a_policy
from fleet.store import ClusterRow
from tests.golden import GoldenFiles
from tests.kube_fake.server import ApiServer, Fault
from tests.kube_fake.world import write_kubeconfig
from tests.unit.app.homes import POLICY, a_home, a_started_rollout, small_cluster

EAST = ClusterRow(name="east", sites=("fra",))


def test_second_sync_reports_no_changes(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    (first,) = sync(home)
    assert (first.cluster, first.nodes, first.pods, first.budgets, first.error) == ("east", 4, 1, 1, "")
    assert first.changes > 0
    assert sync(home)[0].changes == 0


def test_unreachable_cluster_is_reported_and_its_last_state_kept(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home", small_cluster(), small_cluster("west"), unreachable="west")
    home.store.inventory.sync(small_cluster("west"), at=home.now(), source="sync")
    results = {result.cluster: result.error for result in sync(home)}
    assert results == {"east": "", "west": "connection refused"}
    seen = refresh(home, ["west"])
    assert [(snapshot.cluster, len(snapshot.nodes)) for snapshot in seen.old] == [("west", 4)]
    status = fleet_status(home)
    assert {node.state for node in status.nodes if node.cluster == "west"} == {"unknown"}
    assert [(each.name, each.reachable) for each in all_clusters(home)] == [("east", True), ("west", False)]


def test_check_of_an_unreachable_cluster_fails_with_the_reason(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home", unreachable="east")
    with pytest.raises(UnreachableError, match="connection refused"):
        check(home, "east")
    assert home.store.clusters.get("east").last_error == "connection refused"


def test_check_counts_nodes_by_pool_and_nodes_in_no_pool() -> None:
    seen = checked(EAST, Inspection(small_cluster()), a_policy())
    assert (seen.nodes, seen.pools, seen.poolless, seen.machines) == (4, {"workers": 4}, 0, 4)


def test_other_rebooters_are_named_with_a_remedy(golden: GoldenFiles) -> None:
    small = small_cluster()
    owner = Owner("DaemonSet", "kured", "u-kured")
    kured = Pod("kube-system", "kured-x", "u-x", node=small.nodes[0].name, owner=owner)
    before = found(checked(EAST, Inspection(small), a_policy())).plain
    reported = found(checked(EAST, Inspection(replace(small, pods=(*small.pods, kured))), a_policy())).plain
    assert "kured" not in before
    golden.check(reported)


def test_missing_permission_is_named_as_a_rule(golden: GoldenFiles) -> None:
    everywhere = Permission("policy", "poddisruptionbudgets", ("list", "watch"), "")
    lease = Permission("coordination.k8s.io", "leases", ("update",), "", "fleet-system")
    golden.check(f"{rule_name(everywhere)}\n{rule_name(lease)}")


def test_cluster_in_a_rollout_is_not_removed(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    with pytest.raises(HeldError, match="r-1 works on east"):
        remove(home, "east")
    assert [row.name for row in home.store.clusters.list()] == ["east"]


def test_unknown_cluster_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no cluster west"):
        sync(a_home(tmp_path / "home"), ["west"])


def test_cluster_of_several_kubeconfigs_keeps_its_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KUBECONFIG is not there when the controller runs, and `kubectl config use-context` may come in between."""
    home = Home(tmp_path / "home")
    home.path.mkdir()
    (tmp_path / "home" / "fleet.yaml").write_text(POLICY)
    monkeypatch.chdir(tmp_path)

    async def story() -> None:
        async with ApiServer() as server:
            server.faults.append(
                Fault("GET", "/namespaces/kube-system", 200, {"metadata": {"uid": "u-1"}}, times=9)
            )
            write_kubeconfig(tmp_path / "clusters", server.url)
            current = tmp_path / "current"
            current.write_text("current-context: east\n")
            monkeypatch.setenv("KUBECONFIG", "current:nowhere:clusters")
            assert (await asyncio.to_thread(add, home, "shop", None, "", ["fra"])).uid == "u-1"
            monkeypatch.delenv("KUBECONFIG")
            current.write_text("current-context: west\n")
            assert (await asyncio.to_thread(check, home, "shop")).uid == "u-1"

    asyncio.run(story())
    row = home.store.clusters.get("shop")
    assert row.files == tuple(tmp_path / name for name in ("current", "nowhere", "clusters"))
    assert row.context == "east"
