"""Sources beside the clusters of a database: imported, compared, shown."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.app.inventory.sources import ImportSettings, import_source, list_sources, remove_source
from fleet.app.reporting.drift import orphans_of
from fleet.app.reporting.past import node_details, status_at
from fleet.app.reporting.status import fleet_status
from fleet.app.wiring.home import Home
from fleet.core.drift.drift_report import OrphanFinding
from fleet.core.drift.known_elsewhere import RENAMED_FOR
from fleet.core.records.errors import ConfigError, UsageError
from fleet.core.reporting.selection import Selection
from fleet.store import ClusterRow
from tests.unit.app.homes import a_home, small_cluster

FACTS = Path(__file__).parents[1] / "core/sources/recorded/tree"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home, small = a_home(tmp_path / "home"), small_cluster()
    for at in (home.now() - timedelta(hours=2), home.now()):
        home.store.inventory.sync(small, at=at, source="sync")
        home.store.clusters.touch(small.cluster, at=at)
    return home


def sheet(tmp_path: Path, text: str, name: str = "cmdb.csv", encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding=encoding)
    return path


def brought_in(home: Home, path: Path, **settings: object) -> tuple[int, int, int]:
    found = import_source(home, path, ImportSettings(**settings)).source  # type: ignore[arg-type]
    return found.nodes, found.alone, found.ambiguous


def orphan(home: Home, kind: str) -> list[OrphanFinding]:
    return [one for one in orphans_of(home).findings if one.kind == kind]


def first_node(home: Home) -> str:
    return fleet_status(home).nodes[0].name


def test_machine_that_a_spreadsheet_alone_has_is_known_and_not_seen(home: Home, tmp_path: Path) -> None:
    path = sheet(tmp_path, f"name,site\n{first_node(home)},fra\nnew-1,nyc\n")
    assert brought_in(home, path) == (1, 1, 0)
    assert fleet_status(home).only_in_sources == {"cmdb": 1}
    assert not fleet_status(home, Selection(sites=("fra",))).only_in_sources, "it may be elsewhere"
    (found,) = orphan(home, "only-in-source")
    assert (found.cluster, found.site, found.name) == ("", "nyc", "new-1")
    alone = node_details(home, "new-1")
    assert (alone.status.state, alone.status.cluster) == ("unknown", "")
    assert {(fact.fact, fact.value, fact.source) for fact in alone.sources} == {
        ("name", "new-1", "cmdb"),
        ("site", "nyc", "cmdb"),
    }


def test_machine_that_may_be_a_node_of_another_name_is_not_called_unknown(home: Home, tmp_path: Path) -> None:
    name = first_node(home)
    path = sheet(tmp_path, f"name\n{name}.example.org\n{name}.example.net\n")
    assert brought_in(home, path) == (0, 0, 2)
    with pytest.raises(UsageError) as caught:
        node_details(home, f"{name}.example.org")
    assert name in caught.value.message.partition("may be")[2]
    assert "fleet orphans" in caught.value.hint


def test_past_moment_has_what_had_been_imported_by_then(home: Home, tmp_path: Path) -> None:
    brought_in(home, sheet(tmp_path, "name\nnew-1\nnew-2\n"))
    assert not status_at(home, home.now() - timedelta(hours=1)).only_in_sources
    assert status_at(home, home.now()).only_in_sources == {"cmdb": 2}


def test_sources_that_contradict_a_node_are_shown_with_their_age(home: Home, tmp_path: Path) -> None:
    name = first_node(home)
    brought_in(home, sheet(tmp_path, f"name;kernel;seen\n{name};1.0;2026-01-01\n"))
    rows = [one for one in node_details(home, name).sources if one.fact == "kernel"]
    assert {one.source for one in rows if one.conflict} >= {"kubelet", "cmdb"}
    assert [one.seen for one in rows if one.source == "cmdb"] == [datetime(2026, 1, 1, tzinfo=UTC)]
    brought_in(home, sheet(tmp_path, f"name\n{name}\n"))
    assert not any(one.conflict for one in node_details(home, name).sources)


def test_age_is_that_of_the_file_where_it_does_not_say(home: Home, tmp_path: Path) -> None:
    path = sheet(tmp_path, "name\nnew-1\n")
    os.utime(path, (0, 1_000_000_000))
    brought_in(home, path)
    assert list_sources(home).sources[0].oldest == datetime.fromtimestamp(1_000_000_000, UTC)
    os.utime(path, (0, 9_000_000_000))
    brought_in(home, path)
    assert list_sources(home).sources[0].oldest == home.now(), "a time in the future is now"


def test_facts_and_inventories_of_ansible_are_sources(home: Home, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps({"_meta": {"hostvars": {"till-1": {}}}}))
    assert brought_in(home, inventory) == (0, 1, 0)
    assert brought_in(home, FACTS, name="facts") == (0, 1, 0)
    assert [(one.name, one.kind) for one in list_sources(home).sources] == [
        ("facts", "ansible-facts"),
        ("inventory", "ansible-inventory"),
    ]
    (found,) = orphan(home, "only-in-source")
    assert found.name == "till-1"
    remove_source(home, "facts")
    remove_source(home, "inventory")
    assert orphan(home, "only-in-source") == []


def test_dry_run_and_mistakes_store_nothing(home: Home, tmp_path: Path) -> None:
    path = sheet(tmp_path, "name\nnew-1\n")
    assert brought_in(home, path, dry_run=True) == (0, 1, 0)
    for text in ("name,x\nnew-1,1\n", "name\n\n", ""):
        with pytest.raises(ConfigError):
            brought_in(home, sheet(tmp_path, text))
    assert list_sources(home).sources == ()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_mark_of_a_spreadsheet_is_no_part_of_a_head(
    home: Home, tmp_path: Path, encoding: str
) -> None:
    assert brought_in(home, sheet(tmp_path, "name\nnew-1\n", encoding=encoding)) == (0, 1, 0)


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        ("missing.csv", {}),
        ("/dev/zero", {"name": "x"}),
        ("empty-folder", {}),
        ("pipe.csv", {}),
        ("latin.csv", {}),
        ("good.csv", {"name": "kubelet"}),
        ("good.csv", {"name": "a/b"}),
        ("good.csv", {"meanings": ("x",)}),
        ("facts.json", {"meanings": ("x=name",)}),
    ],
)
def test_what_cannot_be_imported_is_refused(
    home: Home, tmp_path: Path, file: str, settings: dict[str, object]
) -> None:
    (tmp_path / "empty-folder").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    sheet(tmp_path, "name\nnew-1\n", "good.csv")
    sheet(tmp_path, "name,site\nnew-1,Köln\n", "latin.csv", "latin-1")
    sheet(tmp_path, '{"ansible_facts": {}}', "facts.json")
    with pytest.raises(UsageError):
        brought_in(home, tmp_path / file, **settings)


def test_machine_that_came_back_under_another_name_is_found_after_its_node_was_deleted(home: Home) -> None:
    small, now = small_cluster(), home.now()
    first, *others = small.nodes
    old = replace(first, system_uuid="4c4c4544-0043-3010-8052-b4c04f564231", machine_id="", provider_id="")
    new = replace(old, name="renamed", uid="new")
    inventory = home.store.inventory
    inventory.sync(replace(small, nodes=(old, *others)), at=now + timedelta(minutes=1), source="sync")
    inventory.sync(replace(small, nodes=tuple(others)), at=now + timedelta(minutes=2), source="sync")
    assert orphan(home, "renamed") == []
    inventory.sync(replace(small, nodes=(new, *others)), at=now + timedelta(minutes=3), source="sync")
    (found,) = orphan(home, "renamed")
    assert (found.name, found.since) == ("renamed", now + timedelta(minutes=2))
    assert first.name in found.message
    long_ago = replace(small, nodes=(old, *others))
    other = a_home(home.path.parent / "other")
    other.store.inventory.sync(long_ago, at=now - RENAMED_FOR - timedelta(days=2), source="sync")
    other.store.inventory.sync(
        replace(small, nodes=(new, *others)), at=now - RENAMED_FOR - timedelta(days=1), source="sync"
    )
    assert orphan(other, "renamed") == []


def test_host_beside_a_cluster_is_a_source_of_its_node(home: Home, tmp_path: Path) -> None:
    small = small_cluster()
    node = replace(small.nodes[0], machine_id="1" * 32)
    home.store.inventory.sync(replace(small, nodes=(node, *small.nodes[1:])), at=home.now(), source="sync")
    (tmp_path / "hosts.yaml").write_text("hosts: [{name: box-1}]\n")
    home.store.clusters.add(
        ClusterRow(name="boxes", sites=("fra",), kind="hosts", kubeconfig=str(tmp_path / "hosts.yaml"))
    )
    host = replace(node, name="box-1", uid="h", kernel="5.0", labels={})
    boxes = replace(small, cluster="boxes", nodes=(host,), machines=(), pods=(), budgets=(), workloads=())
    home.store.inventory.sync(boxes, at=home.now(), source="sync")
    home.store.clusters.touch("boxes", at=home.now())
    facts = node_details(home, node.name).sources
    assert ("kernel", "5.0") in {(one.fact, one.value) for one in facts if one.source == "ssh (boxes)"}
    back = node_details(home, "box-1").sources
    assert {one.source for one in back} >= {f"kubelet ({small.cluster})"}
