"""Random days in the life of a cluster: every past moment is answered as a naive model, which keeps all, answers it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import CORDON_ANNOTATION, Node
from fleet.core.records.retention import Retention
from fleet.core.releases.release import Release
from fleet.lab.simulation.builders import NEW, OLD, START, a_machine, a_node, a_snapshot
from fleet.store import ClusterRow, Store

NAMES = st.sampled_from(["a", "b", "c"])


def node_of(name: str, kernel: int, uid: int, ready: bool, cordoned: bool) -> Node:
    node = a_node(name, kernel=f"6.{kernel}", uid=f"uid-{uid}")
    marks = {CORDON_ANNOTATION: "r-1"} if cordoned else {}
    return replace(node, ready=ready, unschedulable=cordoned, annotations=marks, machine_id=f"machine-{uid}")


def machine_of(name: str, release: Release) -> Machine:
    return a_machine(a_node(name), release)


NODES = st.builds(node_of, NAMES, st.integers(1, 2), st.integers(1, 2), st.booleans(), st.booleans())
MACHINES = st.builds(machine_of, NAMES, st.sampled_from([OLD, NEW]))
THINGS = st.lists(NODES | MACHINES, max_size=4, unique_by=lambda thing: (type(thing), thing.name))
Steps = list[tuple[bool, int, list[Node | Machine], list[Node | Machine]]]
STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 3), THINGS, THINGS), min_size=1, max_size=8)
ANY_STEPS = st.lists(st.tuples(st.booleans(), st.integers(-3, 3), THINGS, THINGS), min_size=1, max_size=8)

World = dict[tuple[type, str], Node | Machine]


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest) -> Callable[[], Iterator[Store]]:
    """Opens an empty store for each example, on each database."""

    def sqlite() -> Iterator[Store]:
        with TemporaryDirectory() as folder:
            place = shutil.copy(request.getfixturevalue("sqlite_template"), Path(folder) / "fleet.db")
            with Store.open(place, create=False) as store:
                yield store

    def postgresql() -> Iterator[Store]:
        made, numbered = (request.getfixturevalue(name) for name in ("postgres_template", "numbered"))
        with Store.open(made(numbered()), create=False) as store:
            yield store

    return sqlite if request.param == "sqlite" else postgresql


def write(store: Store, steps: Steps) -> list[tuple[int, World]]:
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
            machines = [thing for thing in seen if isinstance(thing, Machine)]
            store.inventory.sync(a_snapshot(nodes, machines=machines), at=at, source="watch")
        else:
            ended = {(type(thing), thing.name) for thing in gone}
            world = {key: thing for key, thing in world.items() if key not in ended} | reported
            store.inventory.note("east", seen, gone, at=at, source="watch")
        past.append((second, world))
    return past


def at_second(store: Store, second: int) -> World:
    rows = store.inventory.nodes_at(START + timedelta(seconds=second))
    things = [thing for row in rows for thing in (row.node, row.machine) if thing is not None]
    return {(type(thing), thing.name): thing for thing in things}


def now(store: Store) -> World:
    things = [
        thing for row in store.inventory.nodes() for thing in (row.node, row.machine) if thing is not None
    ]
    return {(type(thing), thing.name): thing for thing in things}


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_state_at_any_time_is_as_it_was_then(opened: Callable[[], Iterator[Store]], steps: Steps) -> None:
    for store in opened():
        store.clusters.add(ClusterRow(name="east", sites=("fra",)))
        past = write(store, steps)
        for second in range(-1, past[-1][0] + 2):
            expected = next((world for when, world in reversed(past) if when <= second), World())
            assert at_second(store, second) == expected
        assert now(store) == past[-1][1]


@settings(max_examples=40, deadline=None)
@given(steps=ANY_STEPS)
def test_intervals_never_overlap_whatever_the_clock_says(
    opened: Callable[[], Iterator[Store]], steps: Steps
) -> None:
    """A clock that was put back loses no present fact, and makes no two facts of one moment."""
    for store in opened():
        store.clusters.add(ClusterRow(name="east", sites=("fra",)))
        past = write(store, steps)
        assert now(store) == past[-1][1]
        for name in ("a", "b", "c"):
            rows = store.inventory.history("east", name)
            assert all(row.end is None or row.begin < row.end for row in rows)
            assert all(
                before.end is not None and before.end <= after.begin for before, after in pairwise(rows)
            )


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, kept=st.integers(0, 8))
def test_forgetting_changes_nothing_that_is_kept(
    opened: Callable[[], Iterator[Store]], steps: Steps, kept: int
) -> None:
    for store in opened():
        store.clusters.add(ClusterRow(name="east", sites=("fra",)))
        last = write(store, steps)[-1][0]
        before = {second: at_second(store, second) for second in range(last - kept, last + 1)}
        store.inventory.forget(Retention(nodes=timedelta(seconds=kept)), at=START + timedelta(seconds=last))
        assert {second: at_second(store, second) for second in before} == before


Contacts = list[tuple[int, bool]]


@settings(max_examples=60, deadline=None)
@given(touches=st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=8))
def test_contact_at_any_time_is_as_it_was_then(
    opened: Callable[[], Iterator[Store]], touches: Contacts
) -> None:
    """Minutes between two attempts, and whether the cluster answered. Seen last: at an attempt, or at most 15 minutes
    before the next one that succeeded."""
    for store in opened():
        store.clusters.add(ClusterRow(name="east", sites=("fra",)))
        tried: list[tuple[int, bool]] = []
        for later, answers in touches:
            minute = later + (tried[-1][0] if tried else 0)
            store.clusters.touch(
                "east", at=START + timedelta(minutes=minute), error="" if answers else "refused"
            )
            tried.append((minute, answers))
        for minute in range(tried[-1][0] + 2):
            rows = store.clusters.at(START + timedelta(minutes=minute))
            known = [each for each in tried if each[0] <= minute]
            assert bool(rows) == bool(known)
            if known:
                assert bool(rows[0].last_error) == (not known[-1][1])
                assert rows[0].last_seen == _seen(tried, minute)


def _seen(tried: Contacts, minute: int) -> object:
    answered = [when for when, answers in tried if answers and when <= minute]
    if not answered:
        return None
    following = next((each for each in tried if each[0] > minute), None)
    attempts = [each for each in tried if each[0] <= minute]
    goes_on = following is not None and following[1] and attempts[-1][1] and following[0] - answered[-1] <= 15
    return START + timedelta(minutes=minute if goes_on else answered[-1])


def test_concurrent_writers_leave_no_overlap(place: str) -> None:
    """A controller and manual syncs write the same cluster, and others write clusters with the same texts."""
    with Store.open(place, create=False) as store:
        for name in ("east", "west"):
            store.clusters.add(ClusterRow(name=name, sites=("fra",)))
    start = Barrier(4)

    def work(cluster: str, source: str, seed: int) -> None:
        rng = Random(seed)
        with Store.open(place, create=False) as own:
            start.wait()
            for second in range(12):
                nodes = [
                    node_of(name, rng.randint(1, 2), 1, True, rng.random() < 0.5)
                    for name in "abc"
                    if rng.random() < 0.8
                ]
                machines = [machine_of(name, rng.choice([OLD, NEW])) for name in "abc"]
                seen = replace(a_snapshot(nodes, machines=machines), cluster=cluster)
                at = START + timedelta(seconds=second + rng.random())
                own.inventory.sync(seen, at=at, source=source)

    writers = [("east", "watch"), ("east", "sync"), ("west", "watch"), ("west", "sync")]
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, *writer, seed) for seed, writer in enumerate(writers)]:
            done.result()
    with Store.open(place, create=False) as store:
        for cluster in ("east", "west"):
            for name in "abc":
                found = store.inventory.history(cluster, name)
                assert found and sum(row.end is None for row in found) <= 1
                assert all(row.end is None or row.begin < row.end for row in found)
                assert all(one.end is not None and one.end <= two.begin for one, two in pairwise(found))
