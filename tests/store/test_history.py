"""Random days in the life of a cluster: every past moment is answered as a naive model, which keeps all, answers it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod
from fleet.lab.simulation.builders import START, a_node, a_snapshot
from fleet.store import ClusterRow, Store

NAMES = st.sampled_from(["a", "b", "c"])
NODES = st.builds(
    lambda name, kernel, uid: a_node(name, kernel=f"6.{kernel}", uid=f"uid-{uid}"),
    NAMES,
    st.integers(1, 2),
    st.integers(1, 2),
)
PODS = st.builds(lambda name, node: Pod("web", name, f"uid-{name}", node=node), NAMES, NAMES)
THINGS = st.lists(NODES | PODS, max_size=4, unique_by=lambda thing: (type(thing), thing.name))
Steps = list[tuple[bool, int, list[Node | Pod], list[Node | Pod]]]
STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 3), THINGS, THINGS), min_size=1, max_size=8)

World = dict[tuple[type, str], Node | Pod]


def world_of(snapshot: Snapshot) -> World:
    things: list[Node | Pod] = [*snapshot.nodes, *snapshot.pods]
    return {(type(thing), thing.name): thing for thing in things}


def live(store: Store, steps: Steps) -> list[tuple[int, World]]:
    """Writes it all; answers the world as it was after each step, with the step's second."""
    second, world = 0, World()
    past: list[tuple[int, World]] = []
    for whole, later, seen, gone in steps:
        second += later
        at = START + timedelta(seconds=second)
        reported: World = {(type(thing), thing.name): thing for thing in seen}
        if whole:
            world = reported
            nodes = [thing for thing in seen if isinstance(thing, Node)]
            pods = [thing for thing in seen if isinstance(thing, Pod)]
            store.inventory.sync(a_snapshot(nodes, ([], pods), machines=[]), at=at, source="sync")
        else:
            ended = {(type(thing), thing.name) for thing in gone}
            world = {key: thing for key, thing in world.items() if key not in ended} | reported
            store.inventory.note("east", seen, gone, at=at, source="watch")
        past.append((second, world))
    return past


def compare(store: Store, past: list[tuple[int, World]]) -> None:
    for second in range(past[-1][0] + 2):
        expected = next((world for when, world in reversed(past) if when <= second), World())
        assert world_of(store.inventory.snapshot("east", START + timedelta(seconds=second))) == expected
    assert world_of(store.inventory.snapshot("east")) == past[-1][1]
    assert store.inventory.nodes(at=START - timedelta(seconds=1)) == []


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_state_at_any_time_is_reconstructed(sqlite_template: Path, steps: Steps) -> None:
    with TemporaryDirectory() as folder:
        place = shutil.copy(sqlite_template, Path(folder) / "fleet.db")
        with Store.open(place, create=False) as store:
            store.clusters.add(ClusterRow(name="east", sites=("fra",)))
            compare(store, live(store, steps))


@settings(max_examples=15, deadline=None)
@given(STEPS)
def test_state_at_any_time_is_reconstructed_on_postgresql(
    postgres_template: Callable[[str], str],
    numbered: Callable[[], str],
    steps: Steps,
) -> None:
    with Store.open(postgres_template(numbered()), create=False) as store:
        store.clusters.add(ClusterRow(name="east", sites=("fra",)))
        compare(store, live(store, steps))
