"""A rollout keeps the policy of its plan, and goes by the calendars as they are now."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from fleet.core.policy.policy import Policy
from fleet.core.policy.times.calendar_events import (
    CalendarEvents,
    changed_calendars,
    events_of,
    renewed,
    with_events,
)
from fleet.core.policy.times.freeze import FreezeCalendar, FreezeScope
from fleet.core.policy.times.window import RecurringWindow, WindowLevel
from fleet.core.records.reasons.reason import Reason
from fleet.core.reporting.period.history import FleetHistory
from fleet.core.rollout.checkpoint import restore_checkpoint, take_checkpoint
from fleet.core.rollout.codec import from_record, to_record
from fleet.core.rollout.commands import CalendarsRead
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.steps import WAITING, Step
from fleet.lab.simulation.builders import START, a_node, a_policy, a_snapshot
from tests.simulated_rollout import SimulatedRollout

DAY = timedelta(days=1)


def event(days: float, calendar: str = "") -> RecurringWindow:
    """A day that begins so many days after the start."""
    start = START.replace(tzinfo=None) + days * DAY
    window = RecurringWindow(start, 86400)
    return replace(window, calendar=calendar) if calendar else window


def board(*events: RecurringWindow, unread: tuple[str, ...] = (), name: str = "board") -> FreezeCalendar:
    return FreezeCalendar(name, tuple(("", each) for each in events), unread)


def freezes(*calendars: FreezeCalendar) -> CalendarEvents:
    return CalendarEvents(calendars)


def test_events_are_taken_by_the_name_of_their_calendar() -> None:
    before = freezes(board(event(1)), board(event(2), name="shop"))
    now = freezes(board(event(5), name="shop"), board(event(9), name="new in the policy"), board(event(3)))
    assert renewed(before, now) == freezes(board(event(3)), board(event(5), name="shop"))


def test_calendar_that_is_gone_or_cannot_be_read_stays_as_it_was() -> None:
    before = CalendarEvents((board(event(1)),), {"shifts.ics": (event(1, "shifts.ics"),)})
    assert renewed(before, CalendarEvents()) == before
    assert renewed(before, freezes(board(unread=("freeze board",)))) == before


def test_calendar_that_was_never_read_counts_from_its_first_reading_on() -> None:
    before = freezes(board(unread=("freeze board",)))
    assert renewed(before, freezes(board(event(1)))) == freezes(board(event(1)))


def test_part_of_the_fleet_is_that_of_the_plan() -> None:
    before = freezes(replace(board(event(1)), scope=FreezeScope(sites=("fra",))))
    now = freezes(replace(board(event(2)), scope=FreezeScope(sites=("ams",))))
    (found,) = renewed(before, now).freezes
    assert (found.scope, found.events) == (FreezeScope(sites=("fra",)), board(event(2)).events)


def test_openings_take_the_place_of_those_of_the_same_calendar_alone() -> None:
    fixed, old, new = event(1), event(2, "shifts.ics"), event(3, "shifts.ics")
    levels = (WindowLevel("site", "fra", recurring=(fixed, old)),)
    pools = (replace(a_policy().pools[0], recurring=(old, fixed)),)
    policy = Policy(pools, levels=levels)
    events = renewed(
        events_of(policy),
        CalendarEvents(windows={"shifts.ics": (new,), "other.ics": (old,)}),
    )
    assert list(changed_calendars(events_of(policy), events)) == ["shifts.ics"]
    found = with_events(policy, events)
    assert found.levels and found.levels[0].recurring == (fixed, new)
    assert found.pools[0].recurring == (new, fixed)
    assert events_of(found) == events


@pytest.fixture
def story() -> SimulatedRollout:
    """A rollout of four nodes, one at a time, of which the first is in work."""
    nodes = [a_node(f"n-{number}") for number in range(4)]
    policy = replace(a_policy(), calendars=(board(),))
    story = SimulatedRollout([a_snapshot(nodes)], policy)
    story.start()
    story.run(until=lambda: Step.REBOOT in story.steps().values())
    return story


def read(story: SimulatedRollout, events: CalendarEvents) -> None:
    story.command(to_record(CalendarsRead(rollout="r-1", events=events)))


def test_freeze_that_is_published_during_a_rollout_lets_no_new_node_start(story: SimulatedRollout) -> None:
    waiting = {name for name, step in story.steps().items() if step in WAITING}
    read(story, freezes(board(event(-0.5))))
    story.run(seconds=6 * 3600)
    assert waiting
    assert story.steps() == {name: Step.STAGED if name in waiting else Step.DONE for name in story.steps()}
    (held, *_) = story.engine.why(
        next(ref for ref, run in story.rollout.runs.items() if run.waiting), story.now
    )
    assert (held.reason, held.subject) == (Reason.FREEZE, "board")


def test_rollout_goes_on_when_the_freeze_is_taken_back_or_has_ended(story: SimulatedRollout) -> None:
    read(story, freezes(board(event(-0.5))))
    story.run(seconds=3600)
    read(story, freezes(board()))
    story.run(seconds=6 * 3600)
    assert set(story.steps().values()) == {Step.DONE}


def test_end_of_a_published_freeze_wakes_the_rollout(story: SimulatedRollout) -> None:
    read(story, freezes(board(event(-0.5))))
    story.run(seconds=2 * 86400)
    assert set(story.steps().values()) == {Step.DONE}


def test_rollout_is_rebuilt_from_the_journal_and_from_a_checkpoint(story: SimulatedRollout) -> None:
    events = freezes(board(event(-0.5)))
    read(story, events)
    rebuilt = rollouts_of(story.entries)["r-1"]
    restored = restore_checkpoint(take_checkpoint(story.rollout))
    run = next(iter(rebuilt.runs.values()))
    for rollout in (rebuilt, restored):
        assert rollout.calendars == events
        assert rollout.policy == story.rollout.policy != rollout.start.policy
        assert rollout.schedule(run).held(story.now, timedelta()) is not None


def test_rollout_that_overrides_freezes_overrides_new_ones_too(story: SimulatedRollout) -> None:
    start = replace(story.rollout.start, override_freeze="CVE-2026-1234")
    rollout = type(story.rollout)("r-2", start, story.now, "ada")
    rollout.read_calendars(freezes(board(event(-0.5))))
    assert rollout.schedule(next(iter(rollout.runs.values()))).held(story.now, timedelta()) is None


def test_report_of_a_quarter_knows_the_freeze_that_ruled(story: SimulatedRollout) -> None:
    read(story, freezes(board(event(-0.5))))
    history = FleetHistory(START + DAY)
    history.apply(story.entries)
    assert [events_of(policy).freezes for policy in history.policies] == [(board(),), (board(event(-0.5)),)]


def test_record_is_read_as_it_was_written() -> None:
    record = CalendarsRead(
        rollout="r-1",
        events=CalendarEvents((board(event(1)),), {"shifts.ics": (event(2, "shifts.ics"),)}),
        reason="changed: freeze board",
    )
    assert from_record(to_record(record)) == record
