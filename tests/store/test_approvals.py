"""Approvals, rejections and starts at the same moment: in two processes, and at the worst moment of each other."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple

import pytest

from fleet.app.access.signed_token import VARIABLE
from fleet.app.approvals.approve import approve, reject
from fleet.app.planning.plans import plan
from fleet.app.rollouts.commands import send_command
from fleet.app.rollouts.start import start
from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.simulated_clock import CLOCK
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.notifications.derivation import messages_of
from fleet.core.planning.plan import Plan
from fleet.core.policy.alerting.notification import NotificationEvent
from fleet.core.records.errors import FleetError, HeldError, UsageError
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import RolloutState, Step
from fleet.core.text.durations import format_duration
from fleet.drivers.identity import abandoned, own_identity
from fleet.lab.simulation.builders import NEW
from fleet.simulated.clock import SimulatedClock
from fleet.system.clock import WallClock
from tests.store.late_journal import LateJournal
from tests.store.processes import controller, wait
from tests.unit.app.users import a_home_with_users, acting, token_of

TOGETHER = 60.0
"""Seconds that a process waits for the others to come to the same point."""


class Act(NamedTuple):
    user: str
    what: str


def act(
    act: Act, path: str, database: str, token: str, plan_id: str, barrier: Barrier, answers: Queue[str]
) -> None:
    """What one process does. All go on together from the moment before they read the journal."""
    os.environ[VARIABLE] = token
    home = Home(Path(path), database)
    made = home.store.plans.get(plan_id)

    def fresh(names: Sequence[str]) -> Sequence[Snapshot]:
        barrier.wait(TOGETHER)
        return ()

    try:
        match act.what:
            case "start":
                start(home, made, fresh)
            case "approve":
                approve(home, made, fresh)
            case "reject":
                fresh(())
                reject(home, made, "no")
        answers.put("done")
    except FleetError as error:
        answers.put(type(error).__name__)
    finally:
        home.store.close()


def contend(home: Home, made: Plan, *acts: Act) -> Counter[str]:
    """Does all at once, each in a process of its own, and returns what came of them."""
    context = get_context("spawn")
    barrier, answers = context.Barrier(len(acts)), context.Queue()
    processes = [
        context.Process(
            target=act,
            args=(
                each,
                str(home.path),
                home.database,
                str(token_of(home, each.user)),
                made.plan_id,
                barrier,
                answers,
            ),
        )
        for each in acts
    ]
    for process in processes:
        process.start()
    found = Counter(answers.get(timeout=2 * TOGETHER) for _ in processes)
    for process in processes:
        process.join()
    return found


@pytest.fixture
def home(tmp_path: Path, place: str) -> Home:
    return a_home_with_users(tmp_path / "home", database=place)


def planned(home: Home) -> Plan:
    with acting(home, "ada"):
        return plan(home, ["workers"], NEW.version)


def approved(home: Home, made: Plan, by: str = "eve") -> None:
    with acting(home, by):
        approve(home, made, lambda names: ())


def kinds(home: Home) -> Counter[str]:
    return Counter(entry.record.kind for entry in home.store.journal.entries())


def at_that_moment(do: Callable[[], object]) -> Callable[[Sequence[str]], Sequence[Snapshot]]:
    """Something else happens while the clusters are read."""

    def fresh(names: Sequence[str]) -> Sequence[Snapshot]:
        do()
        return ()

    return fresh


def late(home: Home, user: str, do: Callable[[Home], object]) -> None:
    """Has `do` done by another process's connection, by this user, right before the next append of this home."""
    other = Home(home.path, home.database)

    def meanwhile() -> None:
        with acting(other, user):
            do(other)

    home.store.journal = LateJournal(home, meanwhile)


def test_a_start_between_the_check_and_the_append_of_another_refuses_the_other(home: Home) -> None:
    made = planned(home)
    approved(home, made)
    late(home, "ada", lambda other: start(other, made, lambda names: ()))
    with acting(home, "bob"), pytest.raises(HeldError) as refused:
        start(home, made, lambda names: ())
    assert "is in rollout r-1 (running), started by ada" in refused.value.message
    assert kinds(home) == {"approve": 1, "start": 1}


def test_a_rejection_between_the_check_and_the_append_of_a_start_refuses_the_start(home: Home) -> None:
    made = planned(home)
    approved(home, made)
    late(home, "eve", lambda other: reject(other, made, "not this week"))
    with acting(home, "ada"), pytest.raises(HeldError) as refused:
        start(home, made, lambda names: ())
    assert "not this week" in refused.value.message


def test_a_start_between_the_check_and_the_append_of_a_rejection_refuses_the_rejection(home: Home) -> None:
    made = planned(home)
    approved(home, made)
    late(home, "ada", lambda other: start(other, made, lambda names: ()))
    with acting(home, "eve"), pytest.raises(HeldError) as refused:
        reject(home, made, "no")
    assert refused.value.hint == "fleet rollout abort r-1"


def test_an_approval_between_the_check_and_the_append_of_the_same_persons_counts_once(home: Home) -> None:
    made = planned(home)
    late(home, "eve", lambda other: approve(other, made, lambda names: ()))
    with acting(home, "eve"), pytest.raises(UsageError):
        approve(home, made, lambda names: ())
    assert kinds(home) == {"approve": 1}


def test_of_two_starts_in_two_processes_one_is_refused(home: Home) -> None:
    made = planned(home)
    approved(home, made)
    assert contend(home, made, Act("ada", "start"), Act("bob", "start")) == {"done": 1, "HeldError": 1}
    assert kinds(home) == {"approve": 1, "start": 1}


def test_a_person_who_approves_in_two_processes_counts_once(home: Home) -> None:
    made = planned(home)
    assert contend(home, made, Act("eve", "approve"), Act("eve", "approve")) == {"done": 1, "UsageError": 1}
    assert kinds(home) == {"approve": 1}


def test_two_persons_who_approve_at_the_same_moment_both_count(tmp_path: Path, place: str) -> None:
    home = a_home_with_users(tmp_path / "home", rule="{required: 2}", database=place)
    made = planned(home)
    assert contend(home, made, Act("eve", "approve"), Act("root", "approve")) == {"done": 2}
    with acting(home, "ada"):
        assert start(home, made, lambda names: ()).rollout == "r-1"


def test_a_start_and_a_rejection_at_the_same_moment_do_not_both_succeed(home: Home) -> None:
    made = planned(home)
    approved(home, made)
    assert contend(home, made, Act("ada", "start"), Act("eve", "reject")) == {"done": 1, "HeldError": 1}
    assert kinds(home) in ({"approve": 1, "start": 1}, {"approve": 1, "reject": 1})


def test_a_rejection_while_the_start_reads_the_clusters_stops_it(home: Home) -> None:
    made, other = planned(home), Home(home.path, home.database)
    approved(home, made)

    def rejects() -> None:
        with acting(other, "eve"):
            reject(other, made, "not this week")

    with acting(home, "ada"), pytest.raises(HeldError) as refused:
        start(home, made, at_that_moment(rejects))
    assert "not this week" in refused.value.message
    assert kinds(home) == {"approve": 1, "reject": 1}


def test_an_approval_after_a_rejection_counts(home: Home) -> None:
    made = planned(home)
    approved(home, made)
    with acting(home, "eve"):
        reject(home, made, "not this week")
    approved(home, made)
    with acting(home, "ada"):
        assert start(home, made, lambda names: ()).rollout == "r-1"


def test_a_plan_whose_maker_plans_again_meanwhile_is_kept_with_its_approval(home: Home) -> None:
    """A look takes the place of the maker's last look, which somebody else is about to approve, or to start."""
    made, other = planned(home), Home(home.path, home.database)
    text = home.policy_file.read_text()

    def plans_again() -> None:
        home.policy_file.write_text(text.replace("max_unavailable: 2", "max_unavailable: 1"))
        assert planned(other).plan_id != made.plan_id
        home.policy_file.write_text(text)

    with acting(home, "eve"):
        approve(home, made, at_that_moment(plans_again))
    assert home.store.plans.get(made.plan_id) == made
    with acting(home, "bob"):
        assert start(home, made, lambda names: ()).rollout == "r-1"
    assert home.store.plans.get(made.plan_id) == made


def test_a_started_plan_is_there_though_its_maker_planned_again_meanwhile(tmp_path: Path, place: str) -> None:
    home = a_home_with_users(tmp_path / "home", rule="{required: 0}", database=place)
    made, other = planned(home), Home(home.path, home.database)
    with acting(home, "bob"):
        start(home, made, at_that_moment(lambda: planned_otherwise(other)))
    assert home.store.plans.get(made.plan_id) == made


def planned_otherwise(home: Home) -> None:
    home.policy_file.write_text(
        home.policy_file.read_text().replace("max_unavailable: 2", "max_unavailable: 1")
    )
    planned(home)


def test_the_second_start_is_told_who_works_there_since_when(home: Home) -> None:
    made = planned(home)
    approved(home, made)
    with acting(home, "ada"):
        start(home, made, lambda names: ())
    with acting(home, "bob"), pytest.raises(HeldError) as refused:
        start(home, made, lambda names: ())
    assert "rollout r-1 (running), started by ada (token" in refused.value.message
    assert "0s ago" in refused.value.message and "fleet rollout abort r-1" in refused.value.hint


def test_the_second_start_is_told_how_long_while_a_controller_works(home: Home) -> None:
    made = planned(home)
    approved(home, made)
    with acting(home, "ada"):
        start(home, made, lambda names: ())
    now = WallClock().now()
    assert home.store.lease.acquire(own_identity(), at=now, seconds=600, abandoned=abandoned).held
    with acting(home, "bob"), pytest.raises(HeldError) as refused:
        start(home, made, lambda names: ())
    assert f"done in about {format_duration(made.makespan_seconds)}" in refused.value.message
    home.store.lease.release(own_identity())


def test_nodes_that_have_moved_to_another_pool_are_still_in_work(home: Home) -> None:
    made = planned(home)
    approved(home, made)
    with acting(home, "ada"):
        start(home, made, lambda names: ())
    renamed = home.policy_file.read_text().replace("name: workers", "name: crew")
    home.policy_file.write_text(renamed)
    with acting(home, "ada"):
        other = plan(home, ["crew"], NEW.version)
    with acting(home, "bob"), pytest.raises(HeldError) as refused:
        start(home, other, lambda names: ())
    assert refused.value.message.startswith("node east/n-1 is in rollout r-1")


def test_a_controller_that_comes_after_the_approval_has_expired_begins_nothing(
    home: Home, tmp_path: Path
) -> None:
    made = planned(home)
    approved(home, made)
    with acting(home, "ada"):
        start(home, made, lambda names: ())
    SimulatedClock(home.now() + timedelta(days=8), 60.0, home.simulated / CLOCK).save()
    log = tmp_path / "log"
    with acting(home, "ada"), controller(home, log):
        wait(lambda: rollout_of(home).state is RolloutState.HALTED, log.read_text)
        assert not rollout_of(home).acted, "not even a taint"
        with pytest.raises(HeldError):
            send_command(home, "resume", "r-1")
        approved(home, made)
        send_command(home, "resume", "r-1")
        wait(lambda: rollout_of(home).counts[Step.DONE], log.read_text)
    home.store.close()


def rollout_of(home: Home) -> Rollout:
    return rollouts_of(home.store.journal.entries())["r-1"]


def test_a_start_without_approvals_is_recorded_once_and_not_after_a_rejection(home: Home) -> None:
    made = planned(home)
    for _ in range(2):
        with acting(home, "ada"), pytest.raises(HeldError):
            start(home, made, lambda names: ())
    assert kinds(home) == {"approval-wanted": 1}
    (wanted,) = messages_of(home.store.journal.entries()).messages
    assert wanted.events == (NotificationEvent.APPROVAL_WANTED,) and wanted.waits
    approved(home, made)
    assert messages_of(home.store.journal.entries()).settled == (wanted.key,)
    with acting(home, "eve"):
        reject(home, made, "not this week")
    with acting(home, "ada"), pytest.raises(HeldError):
        start(home, made, lambda names: ())
    assert kinds(home) == {"approval-wanted": 1, "approve": 1, "reject": 1}
