"""`fleet status --at` any moment shows what a naive replay of all that was seen by then shows."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.app.reporting.past import status_at
from fleet.app.wiring.home import Home
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.records.errors import UsageError
from fleet.core.releases.release import Release
from fleet.lab.simulation.builders import NEW, OLD, START, a_machine, a_node, a_snapshot
from fleet.store import ClusterRow

CLUSTERS = ("east", "west")
Attempt = Literal["listed", "watched", "silent", "removed"]


class Host(NamedTuple):
    """A node and its machine as they are at one moment."""

    name: str
    release: Release
    kernel: str
    ready: bool
    cordoned: bool

    @property
    def node(self) -> Node:
        node = a_node(self.name, kernel=self.kernel)
        image = f"Simulated OS {self.release.version}"
        return replace(node, os_image=image, ready=self.ready, unschedulable=self.cordoned)

    @property
    def machine(self) -> Machine:
        return a_machine(self.node, self.release)


class Seen(NamedTuple):
    """One attempt to see a cluster."""

    later: int
    """Minutes since the attempt before."""
    cluster: str
    attempt: Attempt
    hosts: list[Host]
    """All hosts where the cluster was listed; those that changed where it was watched."""


HOSTS = st.builds(
    Host,
    st.sampled_from("abc"),
    st.sampled_from([OLD, NEW]),
    st.sampled_from(["6.1", "6.2"]),
    st.booleans(),
    st.booleans(),
)
SEEN = st.builds(
    Seen,
    st.integers(1, 40),
    st.sampled_from(CLUSTERS),
    st.sampled_from(["listed", "listed", "watched", "silent", "removed"]),
    st.lists(HOSTS, max_size=3, unique_by=lambda host: host.name),
)

Shown = tuple[str, str, str, str, bool | None, bool]


class PastHome(Home):
    """A home whose present is after all that was seen."""

    def now(self) -> datetime:
        return START + timedelta(days=30)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest) -> Callable[[], Iterator[Home]]:
    """Opens a home with an empty database for each example."""

    def sqlite() -> Iterator[Home]:
        with TemporaryDirectory() as folder:
            home = PastHome(Path(folder))
            shutil.copy(request.getfixturevalue("sqlite_template"), home.database)
            with home.store:
                yield home

    def postgresql() -> Iterator[Home]:
        made, numbered = (request.getfixturevalue(name) for name in ("postgres_template", "numbered"))
        with TemporaryDirectory() as folder:
            home = PastHome(Path(folder), made(numbered()))
            with home.store:
                yield home

    return sqlite if request.param == "sqlite" else postgresql


def record(home: Home, seen: Seen, at: datetime) -> None:
    store, name = home.store, seen.cluster
    nodes, machines = [host.node for host in seen.hosts], [host.machine for host in seen.hosts]
    if seen.attempt == "removed":
        store.clusters.remove(name, at=at)
        return
    if seen.attempt == "listed":
        snapshot = a_snapshot(nodes, machines=machines, cluster=name)
        store.inventory.sync(snapshot, at=at, source="sync")
    elif seen.attempt == "watched":
        store.inventory.note(name, [*nodes, *machines], [], at=at, source="watch")
    store.clusters.touch(name, at=at, error="refused" if seen.attempt == "silent" else "")


def replayed(story: list[tuple[datetime, Seen]], at: datetime) -> tuple[dict[str, bool], set[Shown]]:
    """Replays all that was seen by `at`; returns whether each cluster had answered its last attempt, and its nodes."""
    answered: dict[str, bool] = {}
    hosts: dict[str, dict[str, Host]] = {}
    for when, seen in story:
        if when > at:
            break
        if seen.attempt == "removed":
            del answered[seen.cluster]
            hosts.pop(seen.cluster, None)
            continue
        answered[seen.cluster] = seen.attempt != "silent"
        if seen.attempt == "silent":
            continue
        before = hosts.get(seen.cluster, {}) if seen.attempt == "watched" else {}
        hosts[seen.cluster] = before | {host.name: host for host in seen.hosts}
    shown: set[Shown] = {
        (cluster, host.name, host.release.version, host.kernel, host.ready, not host.cordoned)
        for cluster, own in hosts.items()
        for host in own.values()
    }
    return answered, shown


def possible(attempts: list[Seen]) -> list[tuple[datetime, Seen]]:
    """Returns the attempts with their times, without those of clusters that are no longer in the fleet, or that would be
    removed before they were ever tried."""
    story: list[tuple[datetime, Seen]] = []
    minute, removed, tried = 0, set[str](), set[str]()
    for seen in attempts:
        minute += seen.later
        if seen.cluster in removed or (seen.attempt == "removed" and seen.cluster not in tried):
            continue
        (removed if seen.attempt == "removed" else tried).add(seen.cluster)
        story.append((START + timedelta(minutes=minute), seen))
    return story


@settings(max_examples=40, deadline=None)
@given(attempts=st.lists(SEEN, min_size=1, max_size=8), between=st.integers(1, 30))
def test_status_at_any_moment_is_as_a_replay_of_all_that_was_seen(
    opened: Callable[[], Iterator[Home]], attempts: list[Seen], between: int
) -> None:
    story = possible(attempts)
    moments = {START, *(when + timedelta(minutes=minutes) for when, _ in story for minutes in (0, between))}
    for home in opened():
        for name in CLUSTERS:
            home.store.clusters.add(ClusterRow(name=name, sites=(name,), kubeconfig="/none"))
        for when, seen in story:
            record(home, seen, when)
        for at in sorted(moments):
            answered, nodes = replayed(story, at)
            if not answered:
                with pytest.raises(UsageError, match="nothing is known"):
                    status_at(home, at)
                continue
            found = status_at(home, at)
            assert {cluster.name: cluster.reachable for cluster in found.clusters} == answered
            assert {
                (node.cluster, node.name, node.version, node.kernel, node.ready, node.schedulable)
                for node in found.nodes
            } == nodes
