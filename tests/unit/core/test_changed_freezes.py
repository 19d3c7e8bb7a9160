"""A freeze holds the rollouts that are under way, also when it was added after their plans were made, and lets them go on
when it is lifted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.planning.eta import seconds_left
from fleet.core.planning.plan import Plan, PlannedRun
from fleet.core.policy.times.calendar_events import (
    CalendarEvents,
    CalendarVersion,
    calendars_now,
    changed_freezes,
    events_of,
)
from fleet.core.policy.times.freeze import Freeze, FreezeCalendar, FreezeScope
from fleet.core.policy.times.window import RecurringWindow
from fleet.core.records.reasons.reason import Reason
from fleet.core.reporting.period.history import FleetHistory
from fleet.core.rollout.checkpoint import restore_checkpoint, take_checkpoint
from fleet.core.rollout.codec import from_record, to_record
from fleet.core.rollout.commands import CalendarsRead, FreezesChanged
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.steps import WAITING, Step
from fleet.lab.simulation.builders import NEW, START, a_node, a_policy, a_snapshot
from tests.simulated_rollout import SimulatedRollout

HOUR = timedelta(hours=1)
VERSION = CalendarVersion("ab" * 32, START)
EVENT = RecurringWindow(START.replace(tzinfo=None) - 12 * HOUR, 86400)


def a_freeze(begin: float = -1, until: float = 12, name: str = "night call") -> Freeze:
    """Hours since the start."""
    return Freeze(name, START + begin * HOUR, START + until * HOUR)


@pytest.fixture
def story() -> SimulatedRollout:
    """A rollout of four nodes, one at a time, of which the first is in work."""
    nodes = [a_node(f"n-{number}") for number in range(4)]
    story = SimulatedRollout([a_snapshot(nodes)], a_policy())
    story.start()
    story.run(until=lambda: Step.REBOOT in story.steps().values())
    return story


def change(story: SimulatedRollout, *freezes: Freeze, calendars: tuple[FreezeCalendar, ...] = ()) -> None:
    story.command(
        to_record(FreezesChanged(rollout="r-1", freezes=freezes, calendars=calendars, policy=VERSION))
    )


def held_node(story: SimulatedRollout) -> NodeRef:
    return next(ref for ref, run in story.rollout.runs.items() if run.waiting)


def test_freeze_that_is_added_lets_nodes_in_work_finish_and_no_other_begin(story: SimulatedRollout) -> None:
    waiting = {name for name, step in story.steps().items() if step in WAITING}
    change(story, a_freeze())
    story.run(seconds=6 * 3600)
    assert waiting
    assert story.steps() == {name: Step.STAGED if name in waiting else Step.DONE for name in story.steps()}
    (held, *_) = story.engine.why(held_node(story), story.now)
    assert (held.reason, held.subject) == (Reason.FREEZE, "night call")


def test_rollout_goes_on_when_the_freeze_is_lifted_or_has_ended(story: SimulatedRollout) -> None:
    change(story, a_freeze(until=240))
    story.run(seconds=3600)
    change(story, a_freeze(until=5))
    story.run(seconds=3600)
    assert Step.STAGED in story.steps().values()
    story.run(seconds=6 * 3600)
    assert set(story.steps().values()) == {Step.DONE}


def test_freeze_of_another_pool_holds_nothing(story: SimulatedRollout) -> None:
    change(story, replace(a_freeze(), scope=FreezeScope(pools=("db",))))
    story.run(seconds=6 * 3600)
    assert set(story.steps().values()) == {Step.DONE}


def test_calendar_that_is_added_holds_until_it_was_read(story: SimulatedRollout) -> None:
    change(story, calendars=(FreezeCalendar("board", unread=("freeze board",)),))
    story.run(seconds=3600)
    (held, *_) = story.engine.why(held_node(story), story.now)
    assert held.reason is Reason.CALENDAR_UNREAD
    read = CalendarEvents((FreezeCalendar("board"),))
    story.command(to_record(CalendarsRead(rollout="r-1", events=read)))
    story.run(seconds=6 * 3600)
    assert set(story.steps().values()) == {Step.DONE}


def test_rollout_is_rebuilt_from_the_journal_and_from_a_checkpoint(story: SimulatedRollout) -> None:
    change(story, a_freeze(), calendars=(FreezeCalendar("board"),))
    read = CalendarEvents((FreezeCalendar("board", (("sale", EVENT),)),))
    story.command(to_record(CalendarsRead(rollout="r-1", events=read)))
    rebuilt = rollouts_of(story.entries)["r-1"]
    restored = restore_checkpoint(take_checkpoint(story.rollout))
    for rollout in (rebuilt, restored):
        assert rollout.policy == story.rollout.policy
        assert rollout.policy.freezes == (a_freeze(),) and events_of(rollout.policy) == read


def test_lifting_the_last_freeze_is_rebuilt_too(story: SimulatedRollout) -> None:
    change(story, a_freeze())
    change(story)
    for rollout in (rollouts_of(story.entries)["r-1"], restore_checkpoint(take_checkpoint(story.rollout))):
        assert rollout.policy == story.rollout.policy == story.rollout.start.policy


def test_report_of_a_quarter_knows_the_freeze_that_ruled(story: SimulatedRollout) -> None:
    change(story, a_freeze())
    history = FleetHistory(START + 24 * HOUR)
    history.apply(story.entries)
    assert [policy.freezes for policy in history.policies] == [(), (a_freeze(),)]


def test_record_is_read_as_it_was_written() -> None:
    record = FreezesChanged(
        rollout="r-1",
        freezes=(a_freeze(),),
        calendars=(FreezeCalendar("board", (("sale", EVENT),)),),
        policy=VERSION,
        reason="added: night call",
    )
    assert from_record(to_record(record)) == record


def test_changes_are_named_and_what_is_over_is_none() -> None:
    board, over = FreezeCalendar("board"), a_freeze(-9, -3, "over")
    before = replace(a_policy(), freezes=(a_freeze(), over, a_freeze(2, 3, "old")), calendars=(board,))
    now = replace(a_policy(), freezes=(a_freeze(until=13), a_freeze(4, 5, "new")))
    assert changed_freezes(before, now, START) == [
        "added: new",
        "changed: night call",
        "lifted: old",
        "lifted: board",
    ]
    assert changed_freezes(before, replace(before, freezes=(*before.freezes[::2], a_freeze())), START) == []


def test_known_calendar_keeps_the_events_that_the_rollout_has() -> None:
    known = FreezeCalendar("board", (("sale", EVENT),))
    stale = replace(known, events=(), scope=FreezeScope(sites=("fra",)))
    new = FreezeCalendar("shop")
    assert calendars_now((known,), (stale, new)) == (replace(stale, events=known.events), new)


def a_plan(story: SimulatedRollout) -> Plan:
    runs = tuple(PlannedRun(f"n-{index}", "workers", NEW.version, 0, 600.0 * index) for index in range(1, 5))
    return Plan("p-1", NEW, story.rollout.start.policy, START, 2400, 2400, "", 0, 0, 1, runs)


def test_expected_end_follows_the_freeze(story: SimulatedRollout) -> None:
    plan, before = a_plan(story), seconds_left(story.rollout, a_plan(story), story.now)
    assert before is not None
    begun = story.now + timedelta(minutes=5)
    change(story, Freeze("night call", begun, begun + 3 * HOUR))
    assert seconds_left(story.rollout, plan, story.now) == before + 3 * 3600
    change(story)
    assert seconds_left(story.rollout, plan, story.now) == before


def test_expected_end_is_known_while_the_freeze_holds_all_that_waits(story: SimulatedRollout) -> None:
    change(story, a_freeze(until=12))
    story.run(seconds=6 * 3600)
    assert not story.rollout.working
    left = seconds_left(story.rollout, a_plan(story), story.now)
    until = (START + 12 * HOUR - story.now).total_seconds()
    assert left == round(until) + 600 * sum(run.waiting for run in story.rollout.runs.values())
