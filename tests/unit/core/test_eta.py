"""When a rollout will have ended."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.planning.eta import seconds_left
from fleet.core.planning.plan import Plan, PlannedRun
from fleet.core.policy.times.calendar_events import CalendarEvents
from fleet.core.policy.times.freeze import Freeze, FreezeCalendar
from fleet.core.policy.times.window import RecurringWindow
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import RolloutState, Step
from fleet.lab.simulation.builders import NEW, START, a_policy

ENDS = (100.0, 200.0, 300.0, 400.0, 500.0)


def a_plan() -> Plan:
    runs = tuple(PlannedRun(f"n-{index}", "workers", NEW.version, 0, end) for index, end in enumerate(ENDS))
    return Plan("p-1", NEW, a_policy(), START, 500, 400, "", 0, 0, 1, runs)


def a_rollout(*ended: float) -> Rollout:
    """`ended`: seconds after the start at which runs were done."""
    goals = tuple(Goal(NodeRef("east", f"n-{index}"), "", "workers") for index in range(len(ENDS)))
    rollout = Rollout("r-1", Start("p-1", NEW, a_policy(), goals), START, "ada@desk")
    for goal, seconds in zip(goals, ended, strict=False):
        rollout.runs[goal.node] = Run(goal, NEW, Step.DONE, at(seconds))
    rollout.counts[Step.DRAIN] = 1
    return rollout


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_eta_begins_as_the_plans_makespan() -> None:
    assert seconds_left(a_rollout(), a_plan(), at(0)) == 500


def test_eta_on_schedule_shrinks_with_the_clock() -> None:
    assert seconds_left(a_rollout(100, 200, 300), a_plan(), at(350)) == 150


def test_eta_doubles_at_half_the_pace() -> None:
    assert seconds_left(a_rollout(200, 400, 600), a_plan(), at(600)) == 400


def test_late_run_never_shortens_what_comes_after_it() -> None:
    assert seconds_left(a_rollout(100, 200, 300), a_plan(), at(2000)) == 100


def test_stopped_rollout_has_no_eta() -> None:
    rollout = a_rollout(100)
    rollout.state = RolloutState.PAUSED
    assert seconds_left(rollout, a_plan(), at(100)) is None
    assert seconds_left(a_rollout(*ENDS), a_plan(), at(500)) is None


def test_rollout_with_no_node_at_work_has_no_eta() -> None:
    rollout = a_rollout(100)
    rollout.counts[Step.DRAIN] = 0
    assert seconds_left(rollout, a_plan(), at(150)) is None


def test_every_finished_run_corrects_the_eta() -> None:
    """Runs that were planned 100 s apart end 50 s apart; each time it is asked right then."""
    ends = (100.0, 150.0, 200.0, 250.0)
    reported = [
        seconds_left(a_rollout(*ends[:count]), a_plan(), at(ends[count - 1])) for count in (1, 2, 3, 4)
    ]
    assert reported == [400, 300, 133, 62], "by the plan alone, then by the pace of three runs and more"


def test_rollout_that_ignores_a_freeze_does_not_wait_for_it_as_the_plan_does() -> None:
    policy = replace(a_policy(), freezes=(Freeze("sale", at(150), at(3750)),))
    start = replace(a_rollout().start, policy=policy, override_freeze="CVE-2026-1234")
    rollout = Rollout("r-1", start, START, "ada@desk")
    runs = [replace(run, end=run.end + 3600 * (run.end > 100)) for run in a_plan().runs]
    plan = replace(a_plan(), policy=policy, runs=tuple(runs))
    assert seconds_left(rollout, plan, at(100)) == 400


@pytest.mark.parametrize(("begin", "now", "left"), [(150, 100, 4000), (9000, 100, 400), (150, 600, 3550)])
def test_freeze_that_a_calendar_brings_later_moves_the_end(begin: float, now: float, left: int) -> None:
    """After 600 s no run has ended, and four of them are to come after the freeze."""
    policy = replace(a_policy(), calendars=(FreezeCalendar("board"),))
    rollout = Rollout("r-1", replace(a_rollout().start, policy=policy), START, "ada@desk")
    plan = replace(a_plan(), policy=policy)
    rollout.read_calendars(CalendarEvents((FreezeCalendar("board"),)))
    assert seconds_left(rollout, plan, at(now)) is not None
    event = RecurringWindow(at(begin).replace(tzinfo=None), 3600)
    rollout.read_calendars(CalendarEvents((FreezeCalendar("board", (("sale", event),)),)))
    assert seconds_left(rollout, plan, at(now)) == left


def test_calendar_that_was_never_read_leaves_no_end() -> None:
    policy = replace(a_policy(), calendars=(FreezeCalendar("board"),))
    rollout = Rollout("r-1", replace(a_rollout().start, policy=policy), START, "ada@desk")
    rollout.read_calendars(CalendarEvents((FreezeCalendar("board", unread=("freeze board",)),)))
    assert seconds_left(rollout, replace(a_plan(), policy=policy), at(100)) is None
