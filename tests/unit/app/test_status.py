"""What `fleet status` is asked for: parts of the fleet by name, and names that nothing has."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.app.inventory.sync import sync
from fleet.app.reporting.status import fleet_status
from fleet.app.wiring.home import Home
from fleet.core.objects.node import SITE_LABEL
from fleet.core.records.errors import UsageError
from fleet.core.reporting.selection import Selection, select
from fleet.lab.simulation.builders import START, a_group, a_node, a_snapshot
from tests.unit.app.homes import POLICY, a_home, small_cluster

TWO_POOLS = f"""{POLICY}  - name: storage
    selector: {{matchLabels: {{pool: storage}}}}
    stream: stable
  - name: gpu
    selector: {{matchLabels: {{pool: gpu}}}}
    stream: stable
"""


def two_sites(folder: Path) -> Home:
    """east is in fra with workers; west is named as in nyc, with storage there and in bos, where it has an etcd too."""
    west = [a_node("s-1", pool="storage"), a_node("s-2", pool="storage")]
    west[1] = replace(west[1], labels={**west[1].labels, SITE_LABEL: "bos"})
    other = a_snapshot(west, cluster="west", quorums=(a_group([west[1]], cluster="west", sites="b"),))
    home = a_home(
        folder / "home",
        small_cluster(),
        replace(other, site="nyc"),
        policy=TWO_POOLS,
    )
    sync(home)
    return home


@pytest.mark.parametrize(
    ("chosen", "there"),
    [
        (
            Selection(clusters=("west",), pools=("workers",)),
            {"storage in west at nyc", "storage in west at bos"},
        ),
        (Selection(sites=("bos",), pools=("workers",)), {"storage in west at bos"}),
        (Selection(clusters=("east",), sites=("fra",), pools=("storage",)), {"workers in east at fra"}),
        (
            Selection(pools=("gpu",)),
            {"storage in west at bos", "storage in west at nyc", "workers in east at fra"},
        ),
    ],
)
def test_filters_without_a_match_list_the_known_values(
    tmp_path: Path, chosen: Selection, there: set[str]
) -> None:
    home = two_sites(tmp_path)
    with pytest.raises(UsageError) as refused:
        fleet_status(home, chosen)
    assert refused.value.exit_code == 2
    assert all(name in refused.value.message for name in (*chosen.clusters, *chosen.sites, *chosen.pools))
    assert set(refused.value.hint.removeprefix("known: ").split(", ")) == there


def test_pods_are_counted_only_for_those_who_ask(tmp_path: Path) -> None:
    home = two_sites(tmp_path)
    counted = {node.name: node.pods for node in fleet_status(home).nodes}
    assert any(counted.values()) and not all(counted.values())
    assert {node.pods for node in fleet_status(home, count_pods=False).nodes} == {None}


def test_site_of_some_nodes_of_a_cluster_includes_the_cluster(tmp_path: Path) -> None:
    status = fleet_status(two_sites(tmp_path))
    assert {cluster.name: set(cluster.sites) for cluster in status.clusters} == {
        "east": {"fra"},
        "west": {"nyc", "bos"},
    }
    bos = select(status, Selection(sites=("bos",)))
    assert [cluster.name for cluster in bos.clusters] == ["west"]
    assert [node.name for node in bos.nodes] == ["s-2"]
    assert [row.site for row in bos.summary.pools] == ["bos"]
    assert not select(status, Selection(sites=("fra",))).quorums, "its etcd is elsewhere"


def test_filters_on_an_unreachable_cluster_are_accepted(tmp_path: Path) -> None:
    home = two_sites(tmp_path)
    home.store.clusters.touch("west", at=START, error="connection refused")
    rows = select(fleet_status(home), Selection(clusters=("west",), pools=("storage",))).summary.pools
    assert [row.note for row in rows] == ["unreachable"]
