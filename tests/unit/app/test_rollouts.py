"""Rollouts start once, on clusters that are as planned, and accept only valid commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.app.planning.plans import plan, stored
from fleet.app.rollouts.commands import pass_gate, release, send_command, what_follows
from fleet.app.rollouts.rollouts import Rollouts, summary_of
from fleet.app.rollouts.staleness import added_nodes, changed_nodes
from fleet.app.rollouts.start import start
from fleet.app.wiring.home import Home
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.policy.gate import OperatorGate
from fleet.core.records.errors import HeldError, UsageError
from fleet.core.records.journal import JournalRecord
from fleet.core.rollout.codec import from_record, to_record
from fleet.core.rollout.commands import GateOverruled, RolloutStarted
from fleet.core.rollout.decisions import GateReached
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.stages.gate_state import POOL, GatePoint
from fleet.core.rollout.steps import RolloutState
from fleet.lab.simulation.builders import NEW, OLD, START, a_machine, a_node, a_policy, a_pool, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.golden import GoldenFiles
from tests.simulated_rollout import SimulatedRollout
from tests.unit.app.homes import POLICY, a_home, a_started_rollout, small_cluster


def test_start_is_one_journaled_command_with_every_node_of_the_plan(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    made = plan(home, ["workers"], NEW.version)
    assert stored(home, "") == made
    started = start(home, made, lambda clusters: ())
    (entry,) = home.store.journal.entries()
    assert (entry.record.form, entry.record.kind, entry.record.rollout) == ("command", "start", "r-1")
    assert "@" in entry.actor and entry.epoch == 0
    rollout = Rollouts.load(home.store).choose()
    assert (rollout.id, len(rollout.runs)) == (started.rollout, 4)
    reported = summary_of(rollout)
    assert (reported.state, reported.nodes, reported.pools, reported.ended_at) == (
        "running",
        4,
        ("workers",),
        None,
    )


def test_second_rollout_of_a_pool_is_refused_and_names_the_first(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    made = a_started_rollout(home)
    with pytest.raises(HeldError, match=r"pool workers is in rollout r-1 \(running\)"):
        start(home, made, lambda clusters: ())
    assert home.store.journal.count() == 1


def test_stale_plan_is_refused_with_what_has_changed(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    made = plan(home, ["workers"], NEW.version)

    def upgraded(_: object) -> list[Snapshot]:
        now = small_cluster()
        return [replace(now, machines=(a_machine(now.nodes[0], NEW), *now.machines[1:]))]

    with pytest.raises(HeldError) as refused:
        start(home, made, upgraded)
    assert f"east/n-1 runs {NEW.version} now" in refused.value.message
    assert refused.value.hint == f"a new plan: fleet plan --pool workers --to {NEW.version}"
    assert home.store.journal.count() == 0


def test_start_reports_that_the_policy_has_changed_since_the_plan(tmp_path: Path) -> None:
    """Freezes do reach the rollout: they are no change of which it has to tell."""
    freeze = "freezes: [{name: year end, from: 2026-12-19T00:00Z, until: 2027-01-04T00:00Z}]\n"
    window = "windows: [{from: '01:00', to: '05:00'}]\n"
    for number, changed in enumerate(("", "# A comment is no change.\n", freeze, window)):
        home = a_home(tmp_path / f"home-{number}")
        made = plan(home, ["workers"], NEW.version)
        home.policy_file.write_text(POLICY + changed)
        notes = start(Home(home.path), stored(home, made.plan_id), lambda clusters: ()).notes
        assert [str(home.policy_file) in each for each in notes] == ([True] if changed == window else [])


def test_deleted_and_replaced_nodes_are_changes_and_added_nodes_are_noted(
    tmp_path: Path, golden: GoldenFiles
) -> None:
    home = a_home(tmp_path / "home")
    made = plan(home, ["workers"], NEW.version)
    before = small_cluster()
    other = replace(before.nodes[1], uid="another")
    unseen = replace(before.nodes[2], uid="", ready=None)
    fresh = a_node("n-5")
    now = replace(
        before,
        nodes=(other, unseen, *before.nodes[3:], fresh),
        machines=(*before.machines[1:], a_machine(fresh)),
    )
    golden.check("\n".join(changed_nodes(made, [now])))
    assert added_nodes(made, [now]) == ["east/n-5"]
    assert changed_nodes(made, [before]) == []


def test_node_without_a_version_is_known_by_its_digest() -> None:
    """Images may carry no version, or their base's: such a node that ran the release was noted as left out, and one that
    still runs what the plan presumes came from a version that no stream has."""
    before = small_cluster()
    base, unversioned = replace(OLD, version="9.6"), replace(NEW, version=NEW.digest)
    reported = replace(before, machines=tuple(a_machine(node, base) for node in before.nodes))
    made = make_plan(PlanRequest("p", [reported], a_policy(), ["workers"], NEW, START, DurationEstimates()))
    assert {run.from_version for run in made.runs} == {OLD.version}
    fresh = a_node("n-5")
    now = replace(
        reported,
        nodes=(*before.nodes, fresh),
        machines=(*reported.machines, a_machine(fresh, unversioned)),
    )
    assert (changed_nodes(made, [now]), added_nodes(made, [now])) == ([], [])


def test_invalid_commands_are_refused_and_not_journaled(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    with pytest.raises(UsageError, match="no rollout is active"):
        send_command(home, "pause")
    a_started_rollout(home)
    with pytest.raises(UsageError, match="r-1 is running"):
        send_command(home, "resume")
    send_command(home, "pause")
    with pytest.raises(UsageError, match="paused already"):
        send_command(home, "pause")
    send_command(home, "abort", "r-1")
    with pytest.raises(UsageError, match="was aborted"):
        send_command(home, "resume")
    kinds = [entry.record.kind for entry in home.store.journal.entries()]
    assert kinds == ["start", "pause", "abort"]


def test_ended_rollout_accepts_no_commands(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    finish = JournalRecord(form="decision", kind="finish", rollout="r-1")
    home.store.journal.append([finish], at=home.now(), actor="fleet@test")
    with pytest.raises(UsageError, match="r-1 has ended: finished"):
        send_command(home, "pause", "r-1")
    assert Rollouts.load(home.store).last().id == "r-1"


def failed_run(*, slot: bool) -> list[JournalRecord]:
    """A run of n-1 as far as a failed verify; or only as a failed stage."""
    turns = [
        ("begin", "stage"),
        ("done", "staged"),
        ("begin", "cordon"),
        ("done", "drain"),
        ("done", "reboot"),
    ]
    ways = (
        [*turns, ("done", "verify"), ("failed", "failed")]
        if slot
        else [("begin", "stage"), ("failed", "failed")]
    )
    return [
        JournalRecord(
            form="decision", kind="step", rollout="r-1", node="east/n-1", detail={"turn": turn, "to": to}
        )
        for turn, to in ways
    ]


def test_failed_node_is_released_once_by_its_short_name(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    home.store.journal.append(failed_run(slot=True), at=home.now(), actor="fleet@test")
    rollout, ref = release(home, "n-1")
    assert (rollout.id, str(ref)) == ("r-1", "east/n-1")
    with pytest.raises(UsageError, match="no failed run of n-1 keeps a slot"):
        release(home, "n-1")


def test_node_that_failed_before_its_slot_needs_no_release(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    home.store.journal.append(failed_run(slot=False), at=home.now(), actor="fleet@test")
    with pytest.raises(UsageError, match="no failed run"):
        release(home, "n-1")


def test_misspelt_rollout_gets_the_nearest_name(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    with pytest.raises(UsageError) as refused:
        Rollouts.load(home.store).named("r1")
    assert refused.value.hint == "r-1 is one"


def a_halted_canary() -> SimulatedRollout:
    nodes = [a_node(f"n-{number}") for number in range(3)]
    story = SimulatedRollout(
        [a_snapshot(nodes)], a_policy(), ClusterBehaviour(failures={"n-0": "old-version"})
    )
    story.start(canaries=["n-0"])
    story.run()
    assert story.rollout.state is RolloutState.HALTED
    return story


def test_resume_and_release_report_what_follows(golden: GoldenFiles) -> None:
    story = a_halted_canary()
    golden.check("\n".join(what_follows(story.rollout)), "halted")
    story.send("resume")
    story.run(seconds=600)
    golden.check("\n".join(what_follows(story.rollout)), "resumed")
    story.send("release", "east/n-0")
    golden.check("\n".join(what_follows(story.rollout)), "resumed-and-released")
    story.turn()
    assert what_follows(story.rollout) == () and len(story.rollout.canaries) == 2
    story.run()
    assert what_follows(story.rollout) == ()


def test_release_before_resume_has_the_same_effect(golden: GoldenFiles) -> None:
    story = a_halted_canary()
    story.send("release", "east/n-0")
    golden.check("\n".join(what_follows(story.rollout)))
    story.send("resume")
    story.run()
    assert story.rollout.state is RolloutState.FINISHED


def test_preview_of_a_plan_replaces_the_last_and_keeps_started_and_kept_ones(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")

    def look(*, keep: bool = False) -> str:
        return plan(home, ["workers"], NEW.version, keep=keep).plan_id

    started = a_started_rollout(home)
    kept = look(keep=True)
    for _ in range(3):
        last = look()
    known = {row.plan_id for row in home.store.plans.list()}
    assert known == {started.plan_id, kept, last}


def test_only_an_open_gate_passes_on_an_operators_word(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    with pytest.raises(UsageError, match="does not wait for gate go"):
        pass_gate(home, "r-1", "go", "looked")
    point = GatePoint(POOL, "workers")
    gates = (OperatorGate(name="go"), OperatorGate(name="other"))
    policy = a_policy(replace(a_pool(), gates=gates))
    goals = (Goal(NodeRef("east", "n-1"), "u", "workers"),)
    begun = RolloutStarted(rollout="r-2", start=Start("p-2", NEW, policy, goals))
    home.store.journal.append(
        [to_record(begun), to_record(GateReached(rollout="r-2", point=point))], at=START, actor="ada"
    )
    with pytest.raises(UsageError) as refused:
        pass_gate(home, "r-2", "wrong", "looked")
    assert "go, other" in refused.value.hint
    passed, points = pass_gate(home, "r-2", "go", "looked")
    assert (passed.id, points) == ("r-2", (point,))
    last = list(home.store.journal.entries())[-1].record
    assert from_record(last) == GateOverruled(rollout="r-2", point=point, gate="go", reason="looked")
    with pytest.raises(UsageError):
        pass_gate(home, "r-2", "go", "again")
