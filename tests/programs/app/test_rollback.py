"""The way back of a rollout: a plan for the nodes that it has upgraded, to what they ran before, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.app.planning.plans import plan
from fleet.app.reporting.blockers import blockers
from fleet.app.reporting.report import report
from fleet.app.rollouts.commands import release, send_command
from fleet.app.rollouts.rollback import forward_again, rollback
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.rollouts.run import run
from fleet.app.rollouts.start import start
from fleet.app.wiring.home import Home
from fleet.core.objects.node import NodeRef
from fleet.core.records.errors import HeldError, UsageError
from fleet.core.records.journal import JournalRecord
from fleet.core.releases.release import Release
from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import NEW, OLD, START, a_machine, a_node, a_snapshot
from fleet.model.behaviour import ClusterBehaviour, Failure
from fleet.simulated.cluster import create, snapshot_of
from tests.unit.app.finished import a_fast_home, carried_out, workers
from tests.unit.app.homes import POLICY

OLDER = Release("44.20261001.3.0", "sha256:" + "9" * 64, "6.10.1")
WITH_OLDER = POLICY.replace(
    f"      - {{version: {OLD.version}",
    f'      - {{version: {OLDER.version}, digest: "{OLDER.digest}", kernel: {OLDER.kernel}}}\n'
    f"      - {{version: {OLD.version}",
)
ONE_AT_A_TIME = POLICY.replace("max_unavailable: 2", "max_unavailable: 1").replace(
    "canaries: 0", "canaries: 1"
)


def booted(home: Home) -> dict[str, str]:
    machines = snapshot_of(home.simulated / "east.json").machines
    return {each.name: each.booted.version if each.booted else "" for each in machines}


def test_upgraded_nodes_roll_back_through_the_same_guards(tmp_path: Path) -> None:
    home = a_fast_home(tmp_path / "home", workers(3), policy=ONE_AT_A_TIME)
    carried_out(home)
    assert set(booted(home).values()) == {NEW.version}
    made = rollback(home, "r-1")
    assert (made.target, made.rolls_back, len(made.runs), made.peak_unavailable) == (OLD, "r-1", 3, 1)
    assert [each.canary for each in made.runs] == [True, False, False]
    assert forward_again(made) == ["workers"]
    started = start(home, made, lambda clusters: [snapshot_of(home.simulated / "east.json")])
    assert started.notes == ()
    run(home, lambda message: None, until_idle=True)
    assert set(booted(home).values()) == {OLD.version}
    reported = report(home, started.rollout)
    assert (reported.counts.done, reported.counts.proven, reported.peak) == (3, 3, 1)
    with pytest.raises(HeldError, match=f"no node runs {NEW.version} because of rollout r-1"):
        rollback(home, "r-1")


def test_nodes_that_the_rollout_did_not_upgrade_are_left_alone(tmp_path: Path) -> None:
    """n-3 ran the release before, n-4 has been replaced since."""
    cluster = workers(4)
    machines = [a_machine(node, NEW if node.name == "n-3" else OLD) for node in cluster.nodes]
    home = a_fast_home(tmp_path / "home", replace(cluster, machines=tuple(machines)))
    carried_out(home)
    file = home.simulated / "east.json"
    now = snapshot_of(file)
    nodes = tuple(replace(node, uid="another") if node.name == "n-4" else node for node in now.nodes)
    create(file, replace(now, nodes=nodes), ClusterBehaviour(), 1, START)
    made = rollback(home, "r-1")
    assert sorted(each.node for each in made.runs) == ["n-1", "n-2"]


def test_one_of_several_previous_versions_must_be_chosen(tmp_path: Path) -> None:
    cluster = workers(3)
    machines = [a_machine(node, OLDER if node.name == "n-1" else OLD) for node in cluster.nodes]
    home = a_fast_home(tmp_path / "home", replace(cluster, machines=tuple(machines)), policy=WITH_OLDER)
    carried_out(home)
    with pytest.raises(UsageError) as refused:
        rollback(home, "r-1")
    assert refused.value.message.endswith(f"from several versions: {OLDER.version} (1), {OLD.version} (2)")
    assert (
        refused.value.hint
        == f"roll them back one after the other: fleet rollout rollback r-1 --to {OLD.version}"
    )
    with pytest.raises(UsageError, match=r"no node of r-1 came from 1\.2"):
        rollback(home, "r-1", "1.2")
    made = rollback(home, "r-1", OLDER.version)
    assert (made.target, [each.node for each in made.runs]) == (OLDER, ["n-1"])


def test_release_that_left_its_stream_must_be_named(tmp_path: Path) -> None:
    home = a_fast_home(tmp_path / "home")
    carried_out(home)
    lines = [line for line in POLICY.splitlines() if OLD.version not in line]
    home.policy_file.write_text("\n".join(lines))
    with pytest.raises(
        UsageError, match=f"no stream of the policy has {OLD.version}, which the nodes of r-1 ran"
    ):
        rollback(home, "r-1")


def test_running_rollout_must_be_aborted_first(tmp_path: Path) -> None:
    home = a_fast_home(tmp_path / "home")
    start(home, plan(home, ["workers"], NEW.version), lambda clusters: ())
    with pytest.raises(HeldError) as refused:
        rollback(home, "r-1")
    assert refused.value.hint == "fleet rollout abort r-1"
    send_command(home, "abort")
    with pytest.raises(HeldError, match="r-1 is aborted: what it has begun is not finished"):
        rollback(home, "r-1")
    run(home, lambda message: None, until_idle=True)
    with pytest.raises(HeldError, match="no node runs"):
        rollback(home, "r-1")
    with pytest.raises(UsageError, match="no rollout r-7"):
        rollback(home, "r-7")


def failed(path: Path, failure: Failure) -> Home:
    """r-1 has failed on n-1 and is done on n-2; the trouble is over by now."""
    home = a_fast_home(path, policy=POLICY + "    failure_limit: 9\n    drain: {no_room: evict}\n")
    file = home.simulated / "east.json"
    create(file, workers(), ClusterBehaviour(failures={"n-1": failure}), 1, START)
    carried_out(home)
    rollout = Rollouts.load(home.store).named("r-1")
    assert {ref.name: each.step for ref, each in rollout.runs.items()} == {
        "n-1": Step.FAILED,
        "n-2": Step.DONE,
    }
    return Home(path)


def test_node_that_rolled_back_by_itself_waits_for_its_release(tmp_path: Path) -> None:
    home = failed(tmp_path / "home", "old-version")
    (run_of,) = [each for each in report(home, "r-1").runs if each.node == "n-1"]
    assert (run_of.rolled_back, run_of.slot) == (OLD.version, True)
    made = plan(home, ["workers"], NEW.version)
    assert ([each.node for each in made.runs], [each.reason for each in made.held]) == ([], ["rolled-back"])
    assert [str(each.reason) for each in blockers(home, NodeRef("east", "n-1"))] == ["rolled-back"]
    release(home, "n-1", "firmware was too old")
    run(home, lambda message: None, until_idle=True)
    reported = report(home, "r-1").commands[-1]
    assert (reported.kind, reported.node, reported.reason) == ("release", "east/n-1", "firmware was too old")
    again = plan(home, ["workers"], NEW.version)
    assert ([each.node for each in again.runs], again.held) == (["n-1"], ())


def test_node_that_failed_on_the_new_release_rolls_back_once_it_is_released(tmp_path: Path) -> None:
    home = failed(tmp_path / "home", "not-ready")
    made = rollback(home, "r-1")
    assert [each.node for each in made.runs] == ["n-2"]
    assert {each.node: each.reason for each in made.held} == {"n-1": "other-rollout"}


def test_stale_rollback_is_refused_with_the_command_that_plans_it_again(tmp_path: Path) -> None:
    home = a_fast_home(tmp_path / "home")
    carried_out(home)
    made = rollback(home, "r-1")
    with pytest.raises(HeldError) as refused:
        start(home, made, lambda clusters: [workers()])
    assert refused.value.hint == f"a new plan: fleet rollout rollback r-1 --to {OLD.version}"


def test_rollout_without_a_reboot_has_nothing_to_roll_back(tmp_path: Path) -> None:
    home = a_fast_home(tmp_path / "home", a_snapshot([a_node("n-1")]))
    start(home, plan(home, ["workers"], NEW.version), lambda clusters: ())
    finish = JournalRecord(form="decision", kind="finish", rollout="r-1")
    home.store.journal.append([finish], at=home.now(), actor="fleet@test")
    with pytest.raises(HeldError, match="no node runs"):
        rollback(home, "r-1")
