"""The fleet at past moments: what ran where, how old that was, what differs, and the life of a node."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.app.reporting.exposure import exposure
from fleet.app.reporting.past import diff, node_details, node_history, status_at
from fleet.app.wiring.home import Home
from fleet.cli.main import run
from fleet.core.exposure.question import condition
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import CORDON_ANNOTATION, Node, NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import UsageError
from fleet.core.records.journal import JournalRecord
from fleet.core.records.retention import Retention
from fleet.core.reporting.past.differences import ChangedField
from fleet.core.reporting.selection import EVERYTHING
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import (
    NodeReleased,
    RolloutAborted,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
)
from fleet.core.rollout.decisions import RolloutFinished, RolloutHalted, StepFinished
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.steps import Step, StepResult
from fleet.lab.simulation.builders import NEW, OLD, START, a_machine, a_node, a_snapshot
from fleet.store import ClusterRow

POLICY = f"""\
streams:
  - name: stable
    releases:
      - {{version: "{OLD.version}", digest: "{OLD.digest}"}}
      - {{version: "{NEW.version}", digest: "{NEW.digest}", released: 2026-11-05}}
pools:
  - {{name: workers, selector: {{}}, stream: stable}}
"""
HOUR = timedelta(hours=1)
NODES = [replace(a_node(f"n-{number}"), machine_id=f"m-{number}") for number in range(3)]
UPGRADED = replace(NODES[0], kernel=NEW.kernel, boot_id="boot-2", os_image=f"Simulated OS {NEW.version}")


class Fleet(Home):
    """A home with one cluster, which was seen when it was synced."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.policy_file.write_text(POLICY)
        self.make().clusters.add(ClusterRow(name="east", sites=("fra",), kubeconfig="/none"))
        self.time = START

    def now(self) -> datetime:
        return self.time

    def sync(
        self, at: datetime, nodes: Sequence[Node] = NODES, machines: Sequence[Machine] | None = None
    ) -> None:
        self.time = max(self.time, at)
        snapshot = a_snapshot(list(nodes), machines=None if machines is None else list(machines))
        self.store.inventory.sync(snapshot, at=at, source="sync")
        self.store.clusters.touch("east", at=at, version="v1.36.3")


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


LATER = START + timedelta(days=10)


def upgraded(fleet: Fleet) -> None:
    fleet.sync(START)
    machines = [a_machine(UPGRADED, NEW), *(a_machine(node) for node in NODES[1:])]
    fleet.sync(LATER, [UPGRADED, *NODES[1:]], machines)


def test_status_of_a_past_moment_has_the_releases_and_the_target_of_then(fleet: Fleet) -> None:
    upgraded(fleet)
    then = status_at(fleet, START + HOUR)
    assert {node.version for node in then.nodes} == {OLD.version}
    assert {(node.state, node.target) for node in then.nodes} == {("patched", OLD.version)}
    assert {node.pods for node in then.nodes} == {None}
    now = status_at(fleet, LATER)
    assert [(node.version, node.state) for node in now.nodes] == [
        (NEW.version, "patched"),
        (OLD.version, "outdated"),
        (OLD.version, "outdated"),
    ]


def test_status_of_a_past_moment_says_how_old_it_was(fleet: Fleet) -> None:
    upgraded(fleet)
    then = status_at(fleet, START + 5 * HOUR)
    assert (then.at, then.clusters[0].last_seen) == (START + 5 * HOUR, START)
    assert then.clusters[0].reachable


def test_cluster_that_did_not_answer_then_is_unknown_and_not_unchanged(fleet: Fleet) -> None:
    fleet.sync(START)
    fleet.store.clusters.touch("east", at=START + HOUR, error="refused")
    fleet.sync(START + 3 * HOUR)
    then = status_at(fleet, START + 2 * HOUR)
    assert (then.clusters[0].reachable, then.clusters[0].error) == (False, "refused")
    assert {node.state for node in then.nodes} == {"unknown"}
    assert status_at(fleet, START + 3 * HOUR).clusters[0].reachable


def test_moment_before_anything_was_seen_is_refused(fleet: Fleet) -> None:
    fleet.sync(START)
    with pytest.raises(UsageError, match="nothing is known of the fleet") as caught:
        status_at(fleet, START - HOUR)
    assert "2026-11-02 09:00 UTC" in str(caught.value.hint)
    with pytest.raises(UsageError, match="in the future"):
        status_at(fleet, START + HOUR)


def test_removed_cluster_is_in_the_past(fleet: Fleet) -> None:
    fleet.sync(START)
    fleet.time = START + 2 * HOUR
    fleet.store.clusters.remove("east", at=START + HOUR)
    assert [row.name for row in status_at(fleet, START).clusters] == ["east"]
    with pytest.raises(UsageError, match="nothing is known"):
        status_at(fleet, START + 2 * HOUR)


def test_difference_has_what_changed_and_nothing_else(fleet: Fleet) -> None:
    upgraded(fleet)
    other = replace(NODES[1], uid="uid-other", machine_id="m-other")
    new = replace(a_node("n-9"), machine_id="m-9")
    fleet.sync(LATER + HOUR, [UPGRADED, other, new], [a_machine(UPGRADED, NEW)])
    found = diff(fleet, START, LATER + HOUR)
    kinds = {each.node: each.kind for each in found.differences}
    assert kinds == {"n-0": "changed", "n-1": "replaced", "n-2": "gone", "n-9": "added"}
    changed = next(each for each in found.differences if each.node == "n-0")
    assert ChangedField("version", OLD.version, NEW.version) in changed.fields
    assert (found.nodes_before, found.nodes_after) == (3, 3)
    assert diff(fleet, START, START + HOUR).differences == ()


def test_cluster_that_was_not_seen_yet_is_not_compared(fleet: Fleet) -> None:
    fleet.sync(START)
    fleet.store.clusters.add(ClusterRow(name="west", sites=("nyc",), kubeconfig="/none"))
    fleet.store.inventory.sync(replace(a_snapshot(NODES), cluster="west"), at=START + HOUR, source="sync")
    fleet.store.clusters.touch("west", at=START + HOUR)
    fleet.time = START + HOUR
    found = diff(fleet, START, START + HOUR)
    assert found.differences == ()
    assert [(each.name, each.seen_before) for each in found.clusters] == [("east", START), ("west", None)]


def rolled_out(fleet: Fleet, at: datetime) -> None:
    """Writes a rollout that reboots n-0."""
    ref = NodeRef("east", "n-0")
    start = Start("p-1", NEW, Policy(), (Goal(ref, NODES[0].uid, "workers", "fra"),))
    steps = (
        (StepResult.BEGIN, Step.STAGE),
        (StepResult.DONE, Step.STAGED),
        (StepResult.BEGIN, Step.CORDON),
        (StepResult.DONE, Step.DRAIN),
        (StepResult.DONE, Step.REBOOT),
    )
    records: list[JournalRecord] = [to_record(RolloutStarted(rollout="r-1", start=start))]
    records += [to_record(StepFinished(rollout="r-1", node=ref, turn=turn, to=to)) for turn, to in steps]
    fleet.store.journal.append(records, at=at, actor="alice")


def test_rollout_of_a_past_moment_has_the_state_of_then(fleet: Fleet) -> None:
    fleet.sync(START)
    rolled_out(fleet, START + HOUR)
    changes = (
        RolloutPaused(rollout="r-1", reason="lunch"),
        RolloutResumed(rollout="r-1", reason="back"),
        RolloutHalted(rollout="r-1", why="a canary failed"),
        RolloutAborted(rollout="r-1", reason="bad release"),
        RolloutFinished(rollout="r-1"),
    )
    for hours, record in enumerate(changes, start=2):
        fleet.store.journal.append([to_record(record)], at=START + hours * HOUR, actor="alice")
    fleet.time = START + 9 * HOUR

    def state(hours: float) -> str:
        return status_at(fleet, START + hours * HOUR).summary.pools[0].rollout_state

    found = [state(hours + 0.5) for hours in range(7)]
    assert found == ["", "running", "paused", "running", "halted", "aborted", ""]


@pytest.mark.parametrize("ended", [False, True])
def test_failed_node_of_a_past_moment_has_the_slot_that_was_released_later(fleet: Fleet, ended: bool) -> None:
    fleet.sync(START)
    rolled_out(fleet, START + HOUR)
    ref = NodeRef("east", "n-0")
    failed = StepFinished(
        rollout="r-1", node=ref, turn=StepResult.FAILED, to=Step.FAILED, why="a unit failed"
    )
    released = NodeReleased(rollout="r-1", node=ref, reason="looked at")
    end = [to_record(RolloutFinished(rollout="r-1"))] if ended else []
    fleet.store.journal.append([to_record(failed), *end], at=START + 2 * HOUR, actor="fleet")
    fleet.store.journal.append([to_record(released)], at=START + 4 * HOUR, actor="alice")
    fleet.time = START + 9 * HOUR

    def state(hours: float) -> str:
        return status_at(fleet, START + hours * HOUR).nodes[0].state

    assert [state(hours) for hours in (1.5, 3)] == ["running", "failed"]
    assert state(5) != "failed"


def test_life_of_a_node_has_its_releases_boots_cordons_and_rollouts(fleet: Fleet) -> None:
    fleet.sync(START)
    rolled_out(fleet, START + 5 * timedelta(minutes=1))
    cordoned = replace(NODES[0], unschedulable=True, annotations={CORDON_ANNOTATION: "r-1"})
    inventory = fleet.store.inventory

    def note(minutes: int, *things: object) -> None:
        fleet.time = START + timedelta(minutes=minutes)
        inventory.note("east", things, [], at=fleet.time, source="watch")  # type: ignore[arg-type]
        fleet.store.clusters.touch("east", at=fleet.time)

    note(6, cordoned)
    rebooted = replace(cordoned, boot_id="boot-2", kernel=NEW.kernel)
    note(8, rebooted, a_machine(rebooted, NEW))
    note(9, replace(rebooted, unschedulable=False, annotations={}))
    ref = NodeRef("east", "n-0")
    steps = (Step.VERIFY, Step.UNCORDON, Step.SOAK, Step.DONE)
    done = [StepFinished(rollout="r-1", node=ref, turn=StepResult.DONE, to=step) for step in steps]
    done[-1] = replace(done[-1], proof={"boot_id_after": "boot-2"})
    ended = [*map(to_record, done), to_record(RolloutFinished(rollout="r-1"))]
    fleet.store.journal.append(ended, at=START + timedelta(minutes=10), actor="fleet")
    alone = replace(rebooted, boot_id="boot-3", unschedulable=True, annotations={}, ready=False)
    note(90, alone)
    found = node_history(fleet, "n-0")
    assert [(event.kind, event.by) for event in found.events] == [
        ("found", ""),
        ("rollout", "r-1 (alice)"),
        ("cordoned", "r-1"),
        ("release", ""),
        ("kernel", ""),
        ("boot", "r-1"),
        ("uncordoned", "r-1"),
        ("rollout-ended", "r-1"),
        ("foreign-boot", ""),
        ("cordoned", "another party"),
        ("not-ready", ""),
    ]
    assert found.events[-1].not_before == START + timedelta(minutes=9)
    assert found.events[2].not_before is None
    shown = node_details(fleet, "n-0")
    assert (shown.cordoned_by, shown.boot_id, shown.rollouts) == ("another party", "boot-3", ("r-1",))
    assert shown.first_seen == START


def test_another_machine_of_the_same_name_is_told_apart(fleet: Fleet) -> None:
    fleet.sync(START)
    fleet.sync(START + HOUR, [replace(NODES[0], uid="uid-2"), *NODES[1:]])
    fleet.sync(START + 2 * HOUR, [replace(NODES[0], uid="uid-3", machine_id="m-other"), *NODES[1:]])
    fleet.sync(START + 3 * HOUR, NODES[1:])
    fleet.sync(START + 4 * HOUR, NODES)
    kinds = [event.kind for event in node_history(fleet, "east/n-0").events]
    assert kinds == ["found", "replaced", "gone", "replaced"]


def test_unknown_node_is_refused_with_the_nearest_name(fleet: Fleet) -> None:
    fleet.sync(START)
    with pytest.raises(UsageError, match="no node n-00 is known") as caught:
        node_history(fleet, "n-00")
    assert caught.value.hint == "did you mean n-0?"


def test_moment_that_was_forgotten_is_refused_and_not_answered_with_an_empty_fleet(fleet: Fleet) -> None:
    upgraded(fleet)
    fleet.sync(LATER + 20 * HOUR, [UPGRADED], [a_machine(UPGRADED, NEW)])
    fleet.store.inventory.forget(Retention(nodes=10 * HOUR), at=fleet.now())
    with pytest.raises(UsageError, match="nothing is known of the fleet"):
        status_at(fleet, LATER + HOUR)
    assert len(status_at(fleet, LATER + 20 * HOUR).nodes) == 1


def test_exposure_of_a_past_moment_is_judged_by_what_ran_then(fleet: Fleet) -> None:
    upgraded(fleet)
    question = [condition(f"kernel<{NEW.kernel}")]
    (then,) = exposure(fleet, question, EVERYTHING, START + HOUR).whole().answers
    assert then.counts["affected"] == 3
    assert {(node.since, node.at_least, node.days) for node in then.nodes} == {(START, True, 0.04)}
    (now,) = exposure(fleet, question, EVERYTHING, LATER).whole().answers
    assert {(node.node, node.since) for node in now.nodes if node.since is not None} == {
        ("n-1", START),
        ("n-2", START),
    }


def test_exposure_is_counted_over_affected_releases_that_ran_before(fleet: Fleet) -> None:
    upgraded(fleet)
    (found,) = exposure(fleet, [condition("kernel<99")], EVERYTHING).whole().answers
    assert {(node.since, node.at_least) for node in found.nodes} == {(START, True)}
    with pytest.raises(UsageError, match="future"):
        exposure(fleet, [condition("kernel<99")], EVERYTHING, LATER + HOUR)


def test_exposure_of_a_day_on_the_command_line(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    upgraded(fleet)
    command = ["--home", str(fleet.path), "exposure", f"kernel<{NEW.kernel}"]
    assert run([*command, "--at", f"{START + HOUR:%Y-%m-%dT%H:%MZ}", "-o", "json"]) == 4
    assert json.loads(capsys.readouterr().out)["answers"][0]["counts"]["affected"] == 3
    assert run([*command, "--at", "yesterday-ish"]) == 2
    assert "--at" in capsys.readouterr().err
