"""Standing policies on a home: one pass plans, has the plan approved and starts it, by the code that operators use."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from fleet.app.approvals.approve import approve, reject
from fleet.app.reporting.status import fleet_status
from fleet.app.rollouts.commands import send_command
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.rollouts.run import run
from fleet.app.standing.evaluate import evaluate
from fleet.app.standing.job import perform
from fleet.app.standing.outlook import outlook
from fleet.app.standing.resume import resume_policy
from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import refresh
from fleet.app.wiring.sources.simulated_clock import CLOCK
from fleet.cli.views.status import glance
from fleet.core.jobs.job import JobRun
from fleet.core.notifications.derivation import messages_of
from fleet.core.policy.alerting.notification import NotificationEvent
from fleet.core.records.errors import HeldError, NotAllowedError, UsageError
from fleet.core.records.journal import JournalRecord
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.commands import PlanApproved, RolloutStarted
from fleet.core.rollout.goal import StandingStart, StartApproval
from fleet.core.rollout.record import StandingChanged
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import RolloutState, Step
from fleet.core.standing.reason import StandingReason
from fleet.core.standing.standing_pool import StandingOutcome, StandingPool
from fleet.core.standing.state import StandingState
from fleet.lab.simulation.builders import NEW, OLD, START, a_node, a_snapshot
from fleet.simulated.clock import SimulatedClock
from tests.unit.app.finished import a_fast_home, workers
from tests.unit.app.homes import POLICY, a_home
from tests.unit.app.users import a_home_with_users, acting

AUTO = f"{POLICY}    upgrade: auto\n"


def a_standing_home(path: Path, policy: str = AUTO) -> Home:
    home = a_home(path, workers(3), policy=policy)
    refresh(home)
    return home


def one_pass(home: Home) -> StandingOutcome:
    (outcome,) = evaluate(home).outcomes
    return outcome


def pool_of(home: Home) -> StandingPool:
    (found,) = outlook(home).pools
    return found


def rollout_of(home: Home) -> Rollout:
    (rollout,) = Rollouts.load(home.store).all
    return rollout


def reason(pool: StandingPool) -> StandingReason | None:
    return pool.why.reason if pool.why is not None else None


def later(home: Home, **after: float) -> None:
    SimulatedClock(home.now() + timedelta(**after), 60.0, home.simulated / CLOCK).save()


def test_a_pass_plans_approves_by_rule_and_starts(tmp_path: Path) -> None:
    home = a_standing_home(tmp_path / "home")
    outcome = one_pass(home)
    assert (outcome.rollout, outcome.problem, outcome.pool.target) == ("r-1", "", NEW.version)
    *_, approval, started = home.store.journal.entries()
    given, begun = from_record(approval.record), from_record(started.record)
    assert isinstance(given, PlanApproved) and isinstance(begun, RolloutStarted)
    assert (given.by.name, given.by.method) == ("policy/workers", "policy")
    assert {approval.actor, started.actor, given.asked_by} == {"policy/workers"}
    standing, approved = begun.start.standing, begun.start.approval
    assert isinstance(standing, StandingStart) and isinstance(approved, StartApproval)
    assert given.by.source == standing.rule
    assert standing.grounds
    assert [each.by for each in approved.given] == [given.by]
    assert approved.effect == given.effect


def test_a_second_pass_starts_nothing(tmp_path: Path) -> None:
    home = a_standing_home(tmp_path / "home")
    one_pass(home)
    outcome = one_pass(home)
    assert (outcome.rollout, outcome.pool.state) == ("", StandingState.RUNNING)
    assert len(Rollouts.load(home.store).all) == 1


def test_the_controller_carries_it_out_although_users_approve_other_plans(tmp_path: Path) -> None:
    policy = f"{POLICY}    upgrade: {{mode: auto, approval: rule}}\n    approvals: {{required: 2}}\n"
    home = a_fast_home(tmp_path / "home", policy=policy)
    refresh(home)
    assert one_pass(home).rollout == "r-1"
    run(home, lambda message: None, until_idle=True)
    rollout = rollout_of(home)
    assert (rollout.state, rollout.counts[Step.DONE]) == (RolloutState.FINISHED, 2)
    assert pool_of(home).state is StandingState.UP_TO_DATE


def test_a_rejection_comes_too_late_for_what_a_rule_has_started(tmp_path: Path) -> None:
    home = a_home_with_users(
        tmp_path / "home", workers(), policy=f"{POLICY}    upgrade: {{mode: auto, approval: rule}}\n"
    )
    refresh(home)
    with acting(home, "bob"):
        one_pass(home)
    plan = home.store.plans.get(rollout_of(home).start.plan)
    with acting(home, "eve"), pytest.raises(HeldError):
        reject(home, plan, "not today")


def test_users_approve_a_plan_and_the_next_pass_starts_that_one(tmp_path: Path) -> None:
    home = a_home_with_users(tmp_path / "home", workers(), policy=AUTO)
    refresh(home)
    with acting(home, "bob"):
        asked = one_pass(home)
        assert (asked.rollout, asked.pool.state) == ("", StandingState.APPROVAL)
        again = one_pass(home)
        assert (again.rollout, again.plan) == ("", "")
        assert reason(again.pool) is StandingReason.APPROVAL
    plan = home.store.plans.get(asked.plan)
    assert plan.maker == "policy/workers"
    with acting(home, "eve"):
        approve(home, plan, lambda names: refresh(home, names).fresh)
    with acting(home, "bob"):
        assert one_pass(home).rollout == "r-1"
    rollout = rollout_of(home)
    assert rollout.start.plan == plan.plan_id
    assert isinstance(rollout.start.standing, StandingStart)
    assert isinstance(rollout.start.approval, StartApproval)
    assert [each.by.name for each in rollout.start.approval.given] == ["eve"]


def test_a_plan_that_would_differ_is_asked_for_again(tmp_path: Path) -> None:
    home = a_home_with_users(tmp_path / "home", workers(), policy=AUTO)
    refresh(home)
    with acting(home, "bob"):
        first = one_pass(home)
    with acting(home, "eve"):
        approve(home, home.store.plans.get(first.plan), lambda names: refresh(home, names).fresh)
    text = home.policy_file.read_text()
    home.policy_file.write_text(text.replace("max_unavailable: 2", "max_unavailable: 1"))
    with acting(home, "bob"):
        second = one_pass(home)
    assert (second.rollout, second.pool.state) == ("", StandingState.APPROVAL)
    assert second.plan not in ("", first.plan)


def test_a_viewer_makes_no_pass(tmp_path: Path) -> None:
    home = a_home_with_users(tmp_path / "home", workers(), policy=AUTO)
    with acting(home, "eve"), pytest.raises(NotAllowedError):
        evaluate(home)


def test_what_is_left_of_a_window_must_hold_a_run(tmp_path: Path) -> None:
    home = a_standing_home(tmp_path / "home")
    minute = f"{START + timedelta(minutes=1):%H:%M}"
    windows = (
        f'    windows: [{{days: mon-sun, from: "{START - timedelta(hours=4):%H:%M}", to: "{minute}"}}]\n'
    )
    home.policy_file.write_text(AUTO + windows)
    outcome = one_pass(home)
    assert outcome.pool.state is StandingState.START
    assert (outcome.rollout, bool(outcome.problem), outcome.waits) == ("", True, True)
    assert Rollouts.load(home.store).all == []


def test_an_aborted_rollout_is_not_started_again_until_an_operator_resumes(tmp_path: Path) -> None:
    home = a_fast_home(tmp_path / "home", policy=AUTO)
    refresh(home)
    one_pass(home)
    send_command(home, "abort")
    run(home, lambda message: None, until_idle=True)
    outcome = one_pass(home)
    assert (outcome.rollout, outcome.pool.state) == ("", StandingState.HALTED)
    assert reason(outcome.pool) is StandingReason.ABORTED
    assert resume_policy(home, "workers", "the network is repaired").state is StandingState.START
    assert one_pass(home).rollout == "r-2"


def test_the_status_of_the_fleet_names_a_policy_that_is_halted(tmp_path: Path) -> None:
    home = a_fast_home(tmp_path / "home", policy=AUTO)
    refresh(home)
    assert fleet_status(home).policies is UNSET
    one_pass(home)
    send_command(home, "abort")
    run(home, lambda message: None, until_idle=True)
    found = fleet_status(home)
    assert [(pool.pool, pool.state) for pool in found.policies or ()] == [("workers", StandingState.HALTED)]
    assert "fleet policy status" in glance(found).plain


def test_the_job_journals_once_that_a_policy_is_halted(tmp_path: Path) -> None:
    """So that operators get a message, and no window passes unused in silence."""
    home = a_fast_home(tmp_path / "home", policy=AUTO)
    refresh(home)
    one_pass(home)
    send_command(home, "abort")
    run(home, lambda message: None, until_idle=True)
    for _ in range(2):
        assert "halted" in perform(
            home, JobRun("policy workers", home.now(), home.now(), "test", 1), "workers"
        )
    found = [from_record(entry.record) for entry in home.store.journal.entries(kinds=("policy-state",))]
    assert [(each.state, each.reason) for each in found if isinstance(each, StandingChanged)] == [
        ("halted", "aborted")
    ]


def test_a_policy_that_is_not_halted_is_not_resumed(tmp_path: Path) -> None:
    home = a_standing_home(tmp_path / "home")
    with pytest.raises(UsageError):
        resume_policy(home, "workers")
    home.policy_file.write_text(POLICY)
    with pytest.raises(UsageError):
        resume_policy(home, "workers")
    assert list(home.store.journal.entries()) == []


def test_nodes_on_a_newer_release_are_not_in_the_plan(tmp_path: Path) -> None:
    nodes = [a_node(f"n-{number}") for number in (1, 2)]
    snapshot = a_snapshot(nodes)
    ahead = replace(NEW, version="9.9", digest="sha256:" + "9" * 64)
    machines = [
        replace(machine, booted=ahead) if machine.name == "n-2" else machine for machine in snapshot.machines
    ]
    home = a_home(tmp_path / "home", replace(snapshot, machines=tuple(machines)), policy=AUTO)
    refresh(home)
    one_pass(home)
    assert [ref.name for ref in rollout_of(home).runs] == ["n-1"]


def test_no_pass_begins_below_what_runs(tmp_path: Path) -> None:
    """k3s-io/k3s#14530: the channel lost its newest releases."""
    home = a_standing_home(tmp_path / "home")
    old = f'{{version: {OLD.version}, digest: "{OLD.digest}", kernel: {OLD.kernel}}}'
    home.policy_file.write_text(AUTO.replace(f"      - {old}\n", "").replace(NEW.version, "0.1"))
    outcome = one_pass(home)
    assert (outcome.pool.state, outcome.rollout) == (StandingState.REFUSED, "")
    assert Rollouts.load(home.store).all == []


def test_a_fleet_that_does_not_answer_starts_nothing(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home", workers(), policy=AUTO)
    refresh(home)
    (home.simulated / "east.json").unlink()
    outcome = one_pass(home)
    assert (outcome.rollout, bool(outcome.problem), outcome.waits) == ("", True, False)


def test_all_pools_are_shown_and_a_wrong_name_is_refused(tmp_path: Path) -> None:
    home = a_standing_home(tmp_path / "home", POLICY)
    assert [(pool.pool, pool.state) for pool in outlook(home).pools] == [("workers", StandingState.MANUAL)]
    with pytest.raises(UsageError):
        outlook(home, ["nobody"])
    with pytest.raises(UsageError):
        evaluate(home, ["workers"])


def test_a_policy_that_is_halted_is_told_once_until_it_is_resumed(tmp_path: Path) -> None:
    home = a_standing_home(tmp_path / "home")
    one_pass(home)
    send_command(home, "abort")
    home.store.journal.append([JournalRecord("decision", "finish", "r-1")], at=home.now(), actor="fleet@host")
    for _ in range(3):
        assert one_pass(home).pool.state is StandingState.HALTED
    news = messages_of(home.store.journal.entries())
    (refused,) = [message for message in news.messages if message.events == (NotificationEvent.REFUSED,)]
    assert refused.waits and refused.pools == ("workers",) and refused.key not in news.settled
    assert "r-1" in refused.body and "fleet policy resume workers" in refused.body
    resume_policy(home, "workers", "looked at")
    assert refused.key in messages_of(home.store.journal.entries()).settled
