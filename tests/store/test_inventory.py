"""What is known of the clusters, and since when; written only when it changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.machine import Ask, Request, Work
from fleet.core.objects.node import SITE_LABEL, NodeRef, Taint
from fleet.core.records.errors import StoreError, UsageError
from fleet.core.records.retention import Retention
from fleet.core.rollout.event import ClusterLost, ClusterSynced, Upserted
from fleet.drivers.journal.recorder import Recorder
from fleet.lab.simulation.builders import (
    NEW,
    OLD,
    START,
    a_budget,
    a_deployment,
    a_group,
    a_machine,
    a_node,
    a_snapshot,
)
from fleet.store import ClusterRow, Store
from fleet.store.inventory.facts import Changes
from fleet.store.inventory.past_node import PastNode
from tests.store.raw import rows

NODES = [a_node(f"n-{number}") for number in range(4)]
SEPTEMBER = START - timedelta(days=62)


def a_fleet() -> Snapshot:
    return a_snapshot(NODES, a_deployment("shop", 6, NODES), [a_budget("shop", 6, 1)])


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


@pytest.fixture
def east(store: Store) -> Store:
    """With one cluster, of which nothing is known yet."""
    store.clusters.add(ClusterRow(name="east", sites=("fra",), uid="uid-east", server_version="v1.36.3"))
    return store


def test_snapshot_is_read_as_it_was_stored(east: Store) -> None:
    east.inventory.sync(a_fleet(), at=START, source="sync")
    east.clusters.touch("east", at=START)
    assert east.inventory.snapshot("east") == a_fleet()


def test_quorum_groups_are_read_as_they_were_stored_last(east: Store) -> None:
    group = replace(a_group(NODES[:3]), read_at=START)
    east.inventory.sync(replace(a_fleet(), quorums=(group,)), at=START, source="sync")
    assert east.inventory.quorums() == [("east", group)]
    later = replace(group, members=group.members[:2], read_at=at(1))
    east.inventory.note("east", [later], [], at=at(1), source="watch")
    assert east.inventory.quorums() == [("east", later)]
    assert east.inventory.snapshot("east").quorums == (later,)
    east.inventory.note("east", [], [later], at=at(2), source="watch")
    assert east.inventory.quorums() == []


def test_conditions_marks_and_requests_are_stored(east: Store) -> None:
    node = replace(
        NODES[0],
        ready=None,
        unschedulable=True,
        taints=(Taint("a", "NoSchedule"),),
        annotations={"x": "y"},
        deleting=True,
    )
    machine = replace(a_machine(node), staged=NEW, request=Request(Ask.STAGE, "t-1", NEW))
    _, (pod,) = a_deployment("shop", 1, [node])
    pod = replace(pod, ready=False, phase="Pending", deleting=True, finalizers=True)
    budget = replace(a_budget("shop", 1, 1), disrupted=frozenset({"b", "a"}), failure="no scale")
    snapshot = a_snapshot([node], ([], [pod]), [budget], machines=[machine])
    east.inventory.sync(snapshot, at=START, source="sync")
    east.clusters.touch("east", at=START)
    found = east.inventory.snapshot("east")
    assert found == snapshot


def test_unchanged_objects_write_no_rows(east: Store, place: str) -> None:
    assert east.inventory.sync(a_fleet(), at=START, source="sync") == Changes(opened=4 + 4 + 6 + 1 + 2)
    before = rows(place, "SELECT * FROM node ORDER BY id")
    heartbeat = [replace(node, resource_version="77") for node in NODES]
    quiet = replace(a_fleet(), nodes=tuple(heartbeat))
    assert not east.inventory.sync(quiet, at=at(1), source="sync")
    assert not east.inventory.note("east", [*heartbeat, *a_fleet().pods], [], at=at(2), source="watch")
    assert rows(place, "SELECT * FROM node ORDER BY id") == before


def test_nothing_is_locked_if_nothing_changes(east: Store, place: str) -> None:
    """While another process writes, a quiet sync goes on."""
    east.inventory.sync(a_fleet(), at=START, source="sync")
    with Store.open(place, create=False) as other, other.database.write("inventory/east"):
        assert not east.inventory.sync(a_fleet(), at=at(1), source="sync")


def test_state_change_opens_no_interval(east: Store, place: str) -> None:
    east.inventory.sync(a_fleet(), at=START, source="sync")
    cordoned = replace(NODES[0], unschedulable=True, ready=False)
    _, pods = a_deployment("shop", 6, NODES)
    unready = replace(pods[0], ready=False)
    changes = east.inventory.note("east", [cordoned, unready], [], at=at(5), source="watch")
    assert changes == Changes(updated=2)
    assert east.inventory.nodes()[0].node == cordoned
    assert unready in east.inventory.snapshot("east").pods
    assert rows(place, "SELECT count(*) FROM node") == [(4,)]


def test_versions_on_the_first_of_september(east: Store) -> None:
    east.inventory.sync(a_fleet(), at=SEPTEMBER, source="sync")
    upgraded = replace(NODES[0], kernel=NEW.kernel, boot_id="boot-2", os_image=f"Simulated OS {NEW.version}")
    machine = a_machine(upgraded, NEW)
    _, pods = a_deployment("shop", 6, NODES)
    moved = replace(pods[0], name="shop-1-new", uid="pod-new", node="n-1")
    east.inventory.note("east", [upgraded, machine, moved], [pods[0]], at=START, source="watch")

    now = {row.name: row for row in east.inventory.nodes()}
    then = {row.name: row for row in east.inventory.nodes_at(SEPTEMBER + timedelta(days=1))}
    assert now["n-0"].machine == machine
    assert then["n-0"].machine == a_machine(NODES[0])
    assert east.inventory.pods() == east.inventory.pods(cluster="east")
    assert east.inventory.pods()[NodeRef("east", "n-0")] == 1
    assert (now["n-0"].since, then["n-0"].since, now["n-1"].since) == (START, SEPTEMBER, SEPTEMBER)
    assert east.inventory.nodes_at(SEPTEMBER - timedelta(seconds=1)) == []
    assert east.inventory.nodes_at(START - timedelta(microseconds=1))[0].node == NODES[0]
    assert east.inventory.nodes_at(START)[0].node == upgraded
    assert [row.node for row in east.inventory.nodes_at(SEPTEMBER)] == NODES


def test_history_of_a_node_has_what_changed_when_and_its_source(east: Store) -> None:
    east.inventory.sync(a_fleet(), at=START, source="sync")
    cordoned = replace(NODES[0], unschedulable=True)
    east.inventory.note("east", [cordoned], [], at=at(1), source="watch")
    upgraded = replace(cordoned, kernel=NEW.kernel, boot_id="boot-2")
    east.inventory.note("east", [upgraded], [], at=at(2), source="watch")
    east.inventory.note("east", [a_machine(upgraded, NEW)], [], at=at(3), source="watch")
    old, new = a_machine(NODES[0]), a_machine(upgraded, NEW)
    assert east.inventory.history("east", "n-0") == [
        PastNode(START, at(1), "sync", NODES[0], old),
        PastNode(at(1), at(2), "watch", cordoned, old),
        PastNode(at(2), at(3), "watch", upgraded, old),
        PastNode(at(3), None, "watch", upgraded, new),
    ]


def test_work_of_a_machine_is_no_history(east: Store) -> None:
    """A percentage that goes up every second is in no row of the past."""
    east.inventory.sync(a_fleet(), at=START, source="sync")
    working = replace(
        a_machine(NODES[0]), request=Request(Ask.STAGE, "t-1", NEW), work=Work("t-1", "working")
    )
    east.inventory.note("east", [working], [], at=at(1), source="watch")
    assert east.inventory.nodes()[0].machine == working
    assert [row.begin for row in east.inventory.history("east", "n-0")] == [START]


def test_another_machine_of_the_same_name_runs_its_release_since_it_is_there(east: Store) -> None:
    known = replace(NODES[0], machine_id="m-1", system_uuid="0ab1")
    east.inventory.sync(a_snapshot([known]), at=START, source="sync")
    registered = replace(known, uid="uid-2")
    east.inventory.sync(a_snapshot([registered]), at=at(1), source="sync")
    assert east.inventory.nodes()[0].since == START
    other = replace(known, uid="uid-3", machine_id="m-2", system_uuid="0ab2")
    east.inventory.sync(a_snapshot([other]), at=at(2), source="sync")
    assert east.inventory.nodes()[0].since == at(2)
    assert [row.since for row in east.inventory.nodes_at(at(1))] == [START]


def test_list_that_took_its_time_does_not_undo_what_a_watch_has_reported(east: Store) -> None:
    """The list of a manual sync began before the controller saw the upgrade, and ends after it."""
    east.inventory.sync(a_fleet(), at=START, source="watch")
    upgraded = replace(NODES[0], kernel=NEW.kernel, boot_id="boot-2")
    new = replace(NODES[1], name="n-9", uid="uid-9")
    cordoned = replace(NODES[2], unschedulable=True)
    east.inventory.note("east", [upgraded, new, cordoned], [], at=at(2), source="watch")
    east.inventory.sync(a_fleet(), at=at(1), source="sync")
    assert east.inventory.nodes()[2].node == cordoned
    assert [row.begin for row in east.inventory.history("east", "n-2")] == [START, at(2)]
    assert {row.name for row in east.inventory.nodes()} == {"n-0", "n-1", "n-2", "n-3", "n-9"}
    assert east.inventory.nodes()[0].node == upgraded
    assert [row.begin for row in east.inventory.history("east", "n-0")] == [START, at(2)]


def test_node_runs_its_release_since_it_booted_whatever_else_changed(east: Store) -> None:
    east.inventory.sync(a_fleet(), at=START, source="sync")
    staged = replace(a_machine(NODES[0]), staged=NEW)
    east.inventory.note("east", [staged], [], at=at(5), source="watch")
    assert east.inventory.nodes()[0].since == START
    east.inventory.note("east", [a_machine(NODES[0], NEW)], [], at=at(9), source="watch")
    east.inventory.note("east", [a_machine(NODES[0])], [], at=at(12), source="watch")
    assert east.inventory.nodes()[0].since == at(12)


def test_late_image_reference_is_stored_and_starts_no_new_interval(east: Store, place: str) -> None:
    plain = a_machine(NODES[0], OLD)
    east.inventory.sync(a_snapshot(NODES[:1], machines=[plain]), at=START, source="sync")
    # As every fleet until now has written it: a row of then is no news today.
    (fact,) = rows(place, "SELECT fact FROM machine")[0]
    reported = (
        f'"booted":{{"version":"{OLD.version}","digest":"{OLD.digest}","kernel":"{OLD.kernel}","kubelet":""}}'
    )
    assert reported in fact
    by_index = replace(plain, booted=replace(OLD, reference_digest=f"sha256:{'1' * 64}"))
    east.inventory.sync(a_snapshot(NODES[:1], machines=[by_index]), at=at(5), source="sync")
    (row,) = east.inventory.nodes()
    assert row.machine == by_index and row.since == START


def test_without_an_agent_the_kubelets_report_dates_the_release(east: Store) -> None:
    east.inventory.sync(a_snapshot(NODES, machines=[]), at=START, source="sync")
    east.inventory.note("east", [replace(NODES[0], kernel="6.12.9")], [], at=at(5), source="watch")
    assert [row.since for row in east.inventory.nodes()[:2]] == [at(5), START]


def test_object_missing_from_a_snapshot_is_gone(east: Store) -> None:
    east.inventory.sync(a_fleet(), at=START, source="sync")
    smaller = a_snapshot(NODES[:3])
    assert east.inventory.sync(smaller, at=at(1), source="sync").closed == 1 + 1 + 6 + 1 + 2
    assert [row.name for row in east.inventory.nodes()] == ["n-0", "n-1", "n-2"]
    assert [row.name for row in east.inventory.nodes_at(START)] == ["n-0", "n-1", "n-2", "n-3"]


def test_machine_without_a_node_is_shown(east: Store) -> None:
    east.inventory.sync(a_snapshot([], machines=[a_machine(NODES[0])]), at=START, source="sync")
    (row,) = east.inventory.nodes()
    assert (row.name, row.node, row.machine) == ("n-0", None, a_machine(NODES[0]))


def test_reused_name_is_the_new_object(east: Store) -> None:
    east.inventory.sync(a_fleet(), at=START, source="sync")
    again = replace(NODES[0], uid="uid-other")
    east.inventory.note("east", [again], [NODES[0]], at=at(1), source="watch")
    assert east.inventory.nodes()[0].node == again
    assert east.inventory.nodes_at(START)[0].node == NODES[0]


def test_changes_at_the_same_time_leave_no_empty_interval(east: Store, place: str) -> None:
    east.inventory.note("east", [NODES[0], NODES[1]], [], at=START, source="watch")
    changed = replace(NODES[0], kernel="6.12.9")
    east.inventory.note("east", [changed], [NODES[1]], at=START, source="watch")
    earlier = replace(changed, kernel="6.13.1")
    east.inventory.note("east", [earlier], [], at=at(-1), source="watch")
    assert [row.node for row in east.inventory.nodes()] == [earlier]
    assert rows(place, "SELECT count(*) FROM node") == [(1,)]


def test_node_may_name_its_site(east: Store) -> None:
    nodes = [NODES[0], replace(NODES[1], labels={SITE_LABEL: "ber"})]
    east.inventory.sync(a_snapshot(nodes), at=START, source="sync")
    assert [row.site for row in east.inventory.nodes()] == ["fra", "ber"]


def test_clusters_are_kept_apart(east: Store) -> None:
    east.clusters.add(ClusterRow(name="west", sites=("nyc",)))
    east.inventory.sync(a_fleet(), at=START, source="sync")
    east.inventory.sync(replace(a_snapshot(NODES[:1]), cluster="west"), at=START, source="sync")
    east.inventory.sync(replace(a_snapshot(NODES[:1]), cluster="west"), at=at(1), source="sync")
    assert [(row.cluster, row.site) for row in east.inventory.nodes(cluster="west")] == [("west", "nyc")]
    assert len(east.inventory.nodes()) == 5


def test_unknown_cluster_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="no cluster east"):
        store.inventory.sync(a_fleet(), at=START, source="sync")
    with pytest.raises(UsageError, match="no cluster east"):
        store.inventory.note("east", [NODES[0]], [], at=START, source="watch")
    with pytest.raises(UsageError, match="no cluster east"):
        store.inventory.snapshot("east")


def test_retention_forgets_old_releases_of_nodes_and_keeps_the_present(east: Store) -> None:
    east.inventory.sync(a_fleet(), at=SEPTEMBER, source="sync")
    east.inventory.note("east", [replace(NODES[0], kernel="6.12.9")], [NODES[1]], at=START, source="watch")
    assert east.inventory.forget(Retention(), at=START + timedelta(days=10_000)) == 0
    day = timedelta(days=1)
    assert east.inventory.forget(Retention(nodes=day), at=START + day - timedelta(seconds=1)) == 0
    assert east.inventory.forget(Retention(nodes=day), at=START + day) == 2
    assert [row.name for row in east.inventory.nodes()] == ["n-0", "n-1", "n-2", "n-3"]
    assert [row.name for row in east.inventory.nodes_at(SEPTEMBER) if row.node] == ["n-2", "n-3"]


def test_old_intervals_are_forgotten_in_batches_with_their_texts(east: Store, place: str) -> None:
    for minute in range(6):
        east.inventory.note(
            "east", [replace(NODES[0], boot_id=f"boot-{minute}")], [], at=at(minute), source="w"
        )
    kept = Retention(nodes=timedelta(minutes=1))
    texts = rows(place, "SELECT count(*) FROM document")[0][0]
    assert [east.inventory.forget(kept, at=at(5), most=2) for _ in range(3)] == [2, 2, 0]
    assert rows(place, "SELECT count(*) FROM document") == [(texts - 4,)]
    assert [row.begin for row in east.inventory.history("east", "n-0")] == [at(4), at(5)]
    assert east.inventory.history("east", "n-0")[0].node == replace(NODES[0], boot_id="boot-4")


def test_pods_have_no_history(east: Store, place: str) -> None:
    _, pods = a_deployment("job", 10, NODES)
    east.inventory.sync(a_snapshot(NODES, ([], pods)), at=START, source="sync")
    moved = replace(pods[0], node="n-3", uid="uid-2")
    east.inventory.note("east", [moved], pods[1:], at=at(1), source="watch")
    assert east.inventory.snapshot("east").pods == (moved,)
    assert rows(place, "SELECT count(*) FROM pod") == [(1,)]


def test_many_objects_at_once(east: Store) -> None:
    nodes = [a_node(f"n-{number:04}") for number in range(1500)]
    assert east.inventory.sync(a_snapshot(nodes), at=START, source="sync").opened == 3000
    upgraded = [replace(node, kernel="6.12.9") for node in nodes]
    changes = east.inventory.note("east", upgraded, [], at=at(1), source="watch")
    assert changes == Changes(updated=1500)
    assert [row.node for row in east.inventory.nodes()] == upgraded


def test_recorder_of_the_watches_writes_here(east: Store) -> None:
    class Clock:
        def __init__(self) -> None:
            self.time = START

        def now(self) -> datetime:
            return self.time

        async def sleep(self, seconds: float) -> None:
            raise AssertionError("nothing waits here")

    clock = Clock()
    recorder = Recorder(east.inventory, east.clusters, {"east": "fra"}, clock)
    for node in NODES:
        recorder.watch("east", Upserted("east", node))
    recorder.watch("east", ClusterSynced("east", "v1.37.0"))
    clock.time = at(1)
    recorder.watch("east", Upserted("east", replace(NODES[0], kernel="6.12.9")))
    recorder.flush()
    clock.time = at(2)
    recorder.watch("east", ClusterLost("east", "connection refused"))
    assert [row.node.kernel for row in east.inventory.nodes() if row.node] == ["6.12.9"] + ["6.11.4"] * 3
    row = east.clusters.get("east")
    assert (row.server_version, row.last_seen, row.last_error) == ("v1.37.0", at(1), "connection refused")


@pytest.mark.parametrize("what", ["fact = 'x'", "fact = '[]'", "state = '7'"])
def test_unreadable_inventory_is_refused_with_a_message(
    east: Store, tamper: Callable[..., None], what: str
) -> None:
    east.inventory.sync(a_fleet(), at=START, source="sync")
    tamper(f"UPDATE node SET {what}")
    with pytest.raises(StoreError, match="a row of node cannot be read"):
        east.inventory.snapshot("east")
