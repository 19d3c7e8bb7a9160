"""One controller at a time: the leader stopped in the middle of an action, killed, or cut off from its database."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from fleet.lab import Lab
from tests.cluster.controllers import Controller, controller
from tests.cluster.journal import entries
from tests.cluster.planned import planned, until_it_has_written
from tests.cluster.rest import Cluster
from tests.cluster.rolling import active, wait

LOCKED_SECONDS = 20


def test_stopped_leader_writes_nothing_after_another_has_taken_over(lab: Lab, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with (
        planned(lab, home) as (fleet, cluster, plan),
        controller(home, "first", stopped_at="intent evict") as first,
    ):
        first.until_it_leads()
        with controller(home, "second", stopped_at="intent reboot") as second:
            second.until_it_waits_for(first)
            fleet.run("rollout", "start", plan)
            first.until_stopped()
            second.until_it_leads()
            second.until_stopped()
            assert_sleeper_is_harmless(cluster, first, home)
            first.until_it_waits_for(second)
            first.until_it_leads(times=2)
            until_it_has_written(home, 5)
            second.wake()
            second.until_it_says("standing by")
            second.until_it_waits_for(first)
            first.kill()
            second.until_it_leads(times=2)
            wait(lambda: not active(fleet), lambda: second.output)


def assert_sleeper_is_harmless(cluster: Cluster, sleeper: Controller, home: Path) -> None:
    """It wakes while its successor is stopped too: whatever changed now, it would have done."""
    before, written = touched(cluster), entries(home, "r-1")
    going = before.pop("going")
    sleeper.wake()
    sleeper.until_it_says("standing by")
    after = touched(cluster)
    assert after.pop("going") <= going, "it has evicted"
    assert after == before
    assert entries(home, "r-1") == written


def touched(cluster: Cluster) -> dict[str, Any]:
    """All that a controller may change in a cluster, except its lease."""
    nodes = cluster.get("/api/v1/nodes")["items"]
    machines = cluster.get("/apis/fleet.internal/v1/machines")["items"]
    pods = cluster.get("/api/v1/pods")["items"]
    return {
        "nodes": {node["metadata"]["name"]: node["spec"] for node in nodes},
        "marks": {node["metadata"]["name"]: node["metadata"].get("annotations") for node in nodes},
        "asked": {machine["metadata"]["name"]: machine.get("spec") for machine in machines},
        "going": {pod["metadata"]["uid"] for pod in pods if "deletionTimestamp" in pod["metadata"]},
    }


def test_locked_database_pauses_the_controller_until_it_is_unlocked(lab: Lab, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with planned(lab, home) as (fleet, cluster, plan), controller(home, "only") as only:
        only.until_it_leads()
        fleet.run("rollout", "start", plan)
        wait(lambda: any(entry.kind == "evict" for entry in entries(home, "r-1")), lambda: only.output)
        with locked(home):
            begun, written = time.monotonic(), entries(home, "r-1")
            only.until_it_says("the database is locked")
            only.until_it_says("retrying every")
            wait(lambda: time.monotonic() > begun + LOCKED_SECONDS, lambda: "time itself")
            assert entries(home, "r-1") == written
            assert_all_was_intended(cluster, home)
        only.until_it_leads(times=2)
        until_it_has_written(home, 1)
        assert "missed" not in only.output, "a late duty is done late"
        wait(lambda: not active(fleet), lambda: only.output)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Another program has a transaction open that writes."""
    with closing(sqlite3.connect(home / "fleet.db", isolation_level=None, timeout=30)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


def assert_all_was_intended(cluster: Cluster, home: Path) -> None:
    """Everything of ours that is to be seen in the cluster was in the journal first."""
    intents = [entry for entry in entries(home, "r-1") if entry.form == "intent"]
    seen = touched(cluster)
    cordoned = {name for name, spec in seen["nodes"].items() if spec.get("unschedulable")}
    assert cordoned <= {entry.node.partition("/")[2] for entry in intents if entry.kind == "cordon"}
    tokens = {spec["token"] for spec in seen["asked"].values() if spec and spec.get("token")}
    assert tokens <= {entry.detail.get("token") for entry in intents}
    assert seen["going"] <= {entry.detail.get("pod_uid") for entry in intents}
