"""The commands about the past: their exit codes, and what they print into a pipe."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.app.wiring.home import Home
from fleet.cli.main import run
from fleet.cli.views.past_node import life
from fleet.core.reporting.past.node_life import LifeEvent, NodeLife
from fleet.lab.simulation.builders import NEW, OLD, a_machine, a_node, a_snapshot
from fleet.store import ClusterRow

NODE = a_node("n-1")
UPGRADED = replace(NODE, kernel=NEW.kernel, boot_id="boot-2")


@pytest.fixture
def home(tmp_path: Path) -> list[str]:
    """A fleet that was synced nine and two days ago, with an upgrade between."""
    made = Home(tmp_path)
    now = datetime.now(UTC)  # noqa: TID251 - the commands read the wall's time
    with made.make() as store:
        store.clusters.add(ClusterRow(name="east", sites=("fra",), kubeconfig="/none"))
        for days, node, release in ((9, NODE, OLD), (2, UPGRADED, NEW)):
            at = now - timedelta(days=days)
            seen = a_snapshot([node], machines=[a_machine(node, release)])
            store.inventory.sync(seen, at=at, source="sync")
            store.clusters.touch("east", at=at, version="v1.36.3")
    return ["--home", str(tmp_path)]


def test_status_at_a_moment_says_which_and_how_old_it_was(
    home: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*home, "status", "--at", "-5d"]) == 0
    printed = capsys.readouterr()
    assert "Seen:   4d before" in printed.out or "Seen:   3d before" in printed.out
    assert "As it was known at" in printed.err
    assert run([*home, "status", "--at", "-5d", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(node["version"], node["pods"]) for node in found["nodes"]] == [(OLD.version, None)]


@pytest.mark.parametrize(
    "line",
    [
        ["status", "--at", "yesterday"],
        ["status", "--at", ""],
        ["diff", "--from", "-5d", "--to", ""],
        ["exposure", "kernel<6", "--at", ""],
        ["status", "--at", "-30d"],
        ["status", "--at", "2999-01-01"],
        ["status", "--at", "-5d", "--quorums"],
        ["diff", "--from", "-2d", "--to", "-5d"],
        ["node", "history", "n-7"],
    ],
)
def test_moments_and_nodes_that_are_not_known_are_refused(
    home: list[str], line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*home, *line]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and "error: " in printed.err and "-> " in printed.err


def test_diff_exits_4_if_anything_differs(home: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*home, "diff", "--from", "-5d"]) == 4
    printed = capsys.readouterr().out
    assert f"version {OLD.version} -> {NEW.version} (n-1)" in printed
    assert run([*home, "diff", "--from", "-6d", "--to", "-5d"]) == 0


def test_history_marks_the_boot_that_no_rollout_asked_for(
    home: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*home, "node", "history", "n-1"]) == 0
    assert "which no rollout asked for (at some time after " in capsys.readouterr().out
    assert run([*home, "node", "show", "east/n-1", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["boot_id"] == "boot-2"


def test_history_names_users_by_their_names() -> None:
    actor = "ada (token, key 4254, token f67f) as root@desk"
    at = datetime(2026, 10, 15, tzinfo=UTC)
    events = tuple(
        LifeEvent(at, "rollout", after="1.1", by=by)
        for by in (f"r-2 ({actor})", "r-3 (root@desk (login ada))")
    )
    shown = life(NodeLife("east", "n-1", events)).plain
    assert "in rollout r-2 (ada) to 1.1" in shown
    assert "in rollout r-3 (root@desk (login ada)) to 1.1" in shown


def test_history_names_who_aborted_a_rollout_by_name() -> None:
    at = datetime(2026, 10, 15, tzinfo=UTC)
    why = "cancelled: aborted by ada (token, key 4254, token f67f) as root@desk"
    ended = LifeEvent(at, "rollout-ended", after=why, by="r-2")
    shown = life(NodeLife("east", "n-1", (ended,))).plain
    assert "r-2: cancelled: aborted by ada" in shown
    assert "token" not in shown
    assert "desk" not in shown
