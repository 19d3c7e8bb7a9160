"""Records of imported sources, now and in the past: an import writes only the differences."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.core.records.errors import UsageError
from fleet.core.records.retention import Retention
from fleet.core.sources.record import MachineRecord, SourcedRecord
from fleet.lab.simulation.builders import START, a_node, a_snapshot
from fleet.store import ClusterRow, Store
from fleet.store.inventory.sources import SourceChanges, SourceRow

Content = dict[str, str]
"""The sites of machines, by name."""


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def brought_in(store: Store, content: Content, minutes: float, source: str = "cmdb") -> SourceChanges:
    row = SourceRow(source, "csv", "machines.csv", at(minutes), "ada@desk")
    return store.sources.replace(row, records(content, minutes, source))


def records(content: Content, minutes: float, source: str = "cmdb") -> list[SourcedRecord]:
    return [
        SourcedRecord(source, at(minutes), MachineRecord(name, facts={"site": site}))
        for name, site in content.items()
    ]


def known(store: Store, minutes: float | None = None) -> Content:
    found = store.sources.records(None if minutes is None else at(minutes))
    return {one.machine.name: one.machine.facts["site"] for one in found}


def test_import_replaces_what_the_source_has_had(store: Store) -> None:
    assert brought_in(store, {"w-1": "fra", "w-2": "fra"}, 0) == SourceChanges(added=2)
    changes = brought_in(store, {"w-1": "nyc", "w-3": "fra"}, 5)
    assert changes == SourceChanges(added=1, changed=1, gone=1)
    assert known(store) == {"w-1": "nyc", "w-3": "fra"}
    assert known(store, 4) == {"w-1": "fra", "w-2": "fra"}


def test_the_same_file_again_begins_nothing_and_renews_the_age(store: Store) -> None:
    brought_in(store, {"w-1": "fra"}, 0)
    assert brought_in(store, {"w-1": "fra"}, 5) == SourceChanges(same=1)
    assert [one.seen for one in store.sources.records()] == [at(5)]
    assert store.sources.records(at(0)) == store.sources.records(), "it is the same interval"
    assert [one.imported_at for one in store.sources.list()] == [at(5)]


def test_sources_are_apart_and_a_removed_one_stays_in_the_history(store: Store) -> None:
    brought_in(store, {"w-1": "fra"}, 0)
    brought_in(store, {"w-1": "nyc", "w-2": "nyc"}, 1, "sheet")
    assert [(one.name, one.machines) for one in store.sources.list()] == [("cmdb", 1), ("sheet", 2)]
    assert store.sources.remove("sheet", at=at(2)) == 2
    assert known(store) == {"w-1": "fra"}
    assert len(store.sources.records(at(1))) == 3
    with pytest.raises(UsageError) as caught:
        store.sources.remove("sheet", at=at(3))
    assert "cmdb" in caught.value.hint


def test_old_history_is_deleted_with_that_of_nodes(store: Store) -> None:
    brought_in(store, {"w-1": "fra", "w-2": "fra"}, 0)
    brought_in(store, {"w-1": "nyc", "w-2": "fra"}, 5)
    keep = Retention(nodes=timedelta(minutes=10))
    assert store.inventory.forget(keep, at=at(14)) == 0
    assert store.inventory.forget(keep, at=at(16)) == 1
    assert known(store) == {"w-1": "nyc", "w-2": "fra"}


def test_node_that_is_gone_is_known_by_its_identity(store: Store) -> None:
    store.clusters.add(ClusterRow(name="east", sites=("fra",)))
    old = replace(a_node("n-1"), system_uuid="u-1", machine_id="m-1")
    both = a_snapshot([old, a_node("n-2")], ([], []), [])
    store.inventory.sync(both, at=at(0), source="sync")
    store.inventory.sync(replace(both, nodes=both.nodes[1:]), at=at(5), source="sync")
    ((ref, node, end),) = store.inventory.departed(at(0))
    assert (str(ref), node.system_uuid, node.machine_id, end) == ("east/n-1", "u-1", "m-1", at(5))
    assert store.inventory.departed(at(5)) == []
    store.inventory.sync(both, at=at(6), source="sync")
    assert store.inventory.departed(at(0)) == []


CONTENT = st.dictionaries(st.sampled_from(["w-1", "w-2", "w-3"]), st.sampled_from(["fra", "nyc"]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.tuples(CONTENT, st.booleans()), max_size=6))
def test_every_past_moment_is_what_had_been_imported_by_then(
    store: Store, imports: list[tuple[Content, bool]]
) -> None:
    store.sources.replace(SourceRow("cmdb", "csv", "f", START, "ada"), [])
    store.inventory.forget(Retention(nodes=timedelta()), at=at(100_000))
    minutes, then = 0, list[tuple[int, Content]]()
    for content, later in imports:
        minutes += int(later)
        brought_in(store, content, minutes)
        then = [(when, what) for when, what in then if when != minutes] + [(minutes, content)]
    for when, content in then:
        assert known(store, when) == content
    assert known(store) == (then[-1][1] if then else {})
