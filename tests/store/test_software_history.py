"""The history of software, read backwards: equal to a naive walk over all rows of a node."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.core.exposure.exposed_since import ExposedSince, HistoryRow, PastSoftware, exposed_since
from fleet.core.exposure.verdict import ExposureState
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.releases.release import Release
from fleet.lab.simulation.builders import START, a_machine, a_node, a_snapshot
from fleet.store import ClusterRow, Store
from fleet.store.inventory.past_node import PastNode

RELEASES = [Release(f"1.{number}", f"sha256:{number}", f"6.{number}.0") for number in range(4)]
AFFECTED = {RELEASES[0].kernel, RELEASES[2].kernel}
UNKNOWN = RELEASES[3].kernel
HOUR = timedelta(hours=1)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("boot"), st.integers(0, 3)),
        st.tuples(st.just("layer"), st.integers(0, 2)),
        st.tuples(st.just("stage"), st.integers(0, 3)),
        st.tuples(st.sampled_from(("cordon", "agent", "gone", "replace")), st.just(0)),
    ),
    min_size=1,
    max_size=12,
)


def state_of(kernel: str) -> ExposureState:
    if kernel == UNKNOWN:
        return "unknown"
    return "affected" if kernel in AFFECTED else "not_affected"


class Play:
    """A node through which steps are played, one an hour."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ref = NodeRef(f"east-{len(store.clusters.list())}", "n-0")
        store.clusters.add(ClusterRow(name=self.ref.cluster, sites=("fra",), kubeconfig="/none"))
        self.at = START
        self.machines = 1
        self.agent = True
        self.node: Node = replace(
            a_node("n-0"), kernel=RELEASES[0].kernel, os_image="Simulated OS 1.0", machine_id="m-1"
        )
        self.machine: Machine = a_machine(self.node, RELEASES[0])

    def step(self, what: str, number: int) -> None:
        if what == "boot":
            kernel = RELEASES[number].kernel
            self.node = replace(self.node, kernel=kernel, os_image=f"Simulated OS {RELEASES[number].version}")
            self.machine = replace(self.machine, booted=RELEASES[number], kernel=kernel)
        elif what == "stage":
            self.machine = replace(self.machine, staged=RELEASES[number])
        elif what == "layer":
            self.machine = replace(self.machine, layered=tuple("ab"[:number]))
        elif what == "cordon":
            self.node = replace(self.node, unschedulable=not self.node.unschedulable)
        elif what == "agent":
            self.agent = not self.agent
        elif what == "replace":
            self.machines += 1
            self.node = replace(self.node, uid=f"uid-{self.machines}", machine_id=f"m-{self.machines}")
        self.sync([] if what == "gone" else [self.node])

    def sync(self, nodes: list[Node]) -> None:
        machines = [self.machine] if nodes and self.agent else []
        self.store.inventory.sync(
            replace(a_snapshot(nodes, machines=machines), cluster=self.ref.cluster), at=self.at, source="sync"
        )
        self.store.clusters.touch(self.ref.cluster, at=self.at, version="v1.36.3")
        self.at += HOUR


def naive(rows: list[PastNode]) -> ExposedSince:
    """Walks back over all rows, while the node was the same affected machine without a break."""
    for before, row in reversed(list(pairwise(rows))):
        assert row.node is not None
        if before.end != row.begin or before.node is None or before.node.machine_id != row.node.machine_id:
            return ExposedSince(row.begin)
        state = state_of(before.node.kernel)
        if state != "affected":
            return ExposedSince(row.begin, state == "unknown")
    return ExposedSince(rows[0].begin, at_least=True)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_walk_over_changes_equals_a_walk_over_all_rows(store: Store, steps: list[tuple[str, int]]) -> None:
    play = Play(store)
    play.sync([play.node])
    for what, number in steps:
        play.step(what, number)
    for each in range(len(steps) + 1):
        compare(store, play.ref, START + HOUR * each + HOUR / 2)


def compare(store: Store, ref: NodeRef, at: datetime) -> None:
    rows = [row for row in store.inventory.history(*ref) if row.begin <= at]
    last = rows[-1]
    if last.node is None or (last.end is not None and last.end <= at):
        assert ref not in store.software.rows(at)
    elif state_of(last.node.kernel) == "affected":
        found = exposed_since(store.software, at, [ref], lambda _, past: state_of(past.kernel), None)
        assert found[ref] == naive(rows)


def test_what_ran_before_is_read_from_kubelet_and_agent(store: Store) -> None:
    play = Play(store)
    play.at -= HOUR
    play.step("layer", 1)
    play.step("boot", 1)
    row = store.software.rows(play.at)[play.ref]
    change = store.software.changes([row])[row.node]
    assert change.begin == START and change.unbroken
    expected = PastSoftware("Simulated OS 1.0", RELEASES[0].kernel, play.node.kubelet, RELEASES[0], ("a",))
    assert replace(change.software, booted=None) == replace(expected, booted=None)
    assert change.software.booted is not None and change.software.booted.version == "1.0"
    assert isinstance(change.row, HistoryRow)
    unlooked = store.software.changes([row], change.begin)[row.node]
    assert unlooked.begin == change.begin and unlooked.row is None
