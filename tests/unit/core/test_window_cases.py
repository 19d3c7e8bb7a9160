"""What went wrong with windows in other projects, each with its right value here."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from fleet.core.policy.policy import Amount, Limits
from fleet.core.policy.schedule import Schedule
from fleet.core.policy.times.freeze import Freeze
from fleet.core.policy.times.freezes import Freezes
from fleet.core.policy.times.window import RecurringWindow, Window
from fleet.core.policy.windows import LevelWindows
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import Release
from fleet.core.rollout.steps import RolloutState, Step
from fleet.lab.simulation.builders import NEW, a_node, a_policy, a_pool, a_snapshot
from tests.simulated_rollout import SimulatedRollout

LOS_ANGELES = "America/Los_Angeles"
MINUTE = timedelta(minutes=1)


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def schedule(
    *windows: Window, recurring: tuple[RecurringWindow, ...] = (), freeze: Freeze | None = None
) -> Schedule:
    return Schedule("p", [LevelWindows("pool p", windows, recurring)], Freezes([freeze] if freeze else []))


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2019-04-04 00:49", True),
        ("2019-04-04 22:49", True),
        ("2019-04-04 12:00", False),
        ("2019-04-05 08:59", False),
        ("2019-04-05 09:01", False),
        ("2019-04-06 00:49", True),  # Saturday: Friday's window
        ("2019-04-08 00:49", False),  # Monday: Sunday is not listed
    ],
)
def test_a_window_across_midnight_belongs_to_the_day_on_which_it_starts(moment: str, is_open: bool) -> None:
    """kubereboot/kured#204."""
    nightly = Window((0, 1, 2, 3, 4), time(21), time(5), LOS_ANGELES)
    assert (schedule(nightly).held(at(moment, LOS_ANGELES), MINUTE) is None) is is_open


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-12-01 10:00", True),
        ("2026-12-04 10:00", True),
        ("2026-12-04 15:00", False),
        ("2026-12-05 10:00", False),
    ],
)
def test_one_open_window_of_several_is_enough(moment: str, is_open: bool) -> None:
    """argoproj/argo-cd#10425."""
    both = Window((0, 1, 2, 3), time(9), time(17)), Window((4,), time(9), time(14))
    assert (schedule(*both).held(at(moment), MINUTE) is None) is is_open
    frozen = schedule(*both, freeze=Freeze("f", at("2026-12-01"), at("2026-12-07"))).held(at(moment), MINUTE)
    assert frozen is not None and frozen.reason is Reason.FREEZE


def test_what_has_begun_ends_after_the_window_and_an_abort_needs_no_window() -> None:
    """argoproj/argo-cd#25361. The story begins on a Monday at 09:00 UTC."""
    short = (Window((0,), time(9, 30), time(9, 31)),)
    story = SimulatedRollout(
        [a_snapshot([a_node("n-0"), a_node("n-1")])],
        a_policy(a_pool(windows=short, limits=Limits(Amount(1)))),
    )
    story.start()
    story.run(until=lambda: Step.REBOOT in story.steps().values())
    story.run(seconds=3600, until=lambda: Step.DONE in story.steps().values())
    assert story.now.time() > time(9, 31)
    (other,) = [name for name, step in story.steps().items() if step is not Step.DONE]
    assert story.steps()[other] is Step.STAGED
    held = story.engine.why(story.run_of(other).node, story.now)
    assert [each.reason for each in held] == [Reason.WINDOW] and "opens" in held[0].params
    story.send("abort")
    story.run(seconds=600)
    assert story.rollout.state is RolloutState.ABORTED and not story.rollout.active
    node = next(node for node in story.models["east"].snapshot(story.now).nodes if node.name == other)
    assert not node.unschedulable and not node.annotations


def test_a_window_in_the_missing_hour_opens_after_it_and_the_hour_that_comes_twice_is_inside_twice() -> None:
    """robfig/cron#541. A window is a time on the wall clock, so the one of 2 hours ends at 04:00 all the same."""
    daily = RecurringWindow(datetime.fromisoformat("2025-03-01T02:00"), 7200, "US/Pacific", "FREQ=DAILY")
    found = schedule(recurring=(daily,)).open_spans(
        at("2025-03-09", "US/Pacific"), at("2025-03-11", "US/Pacific")
    )
    assert found == [
        (at("2025-03-09 10:00"), at("2025-03-09 11:00")),
        (at("2025-03-10 09:00"), at("2025-03-10 11:00")),
    ]
    early = replace(daily, start=datetime.fromisoformat("2025-03-01T01:30"), seconds=1800)
    autumn = schedule(recurring=(early,)).open_spans(at("2025-11-02"), at("2025-11-03"))
    assert autumn == [
        (at("2025-11-02 08:30"), at("2025-11-02 09:00")),
        (at("2025-11-02 09:30"), at("2025-11-02 10:00")),
    ]


def test_a_release_that_appears_in_an_open_window_reboots_no_node_again() -> None:
    """coreos/zincati#928. A rollout goes to the release of its plan alone. The newer one needs a plan of its own,
    and `fleet rollout start` refuses that while the rollout has the pool."""
    nightly = (Window(tuple(range(7)), time(9, 30), time(12)),)
    story = SimulatedRollout([a_snapshot([a_node("n-0")])], a_policy(a_pool(windows=nightly)))
    story.start()
    story.run(until=lambda: story.steps()["n-0"] is Step.STAGED)
    newer = Release("44.20991231.3.0", "sha256:" + "9" * 64)
    policy = story.policy
    stream = (
        replace(policy.streams[0], releases=(*policy.streams[0].releases, newer)) if policy.streams else None
    )
    story.policy = replace(policy, streams=(stream,) if stream else ())
    story.run()
    assert story.steps() == {"n-0": Step.DONE}
    reboots = [action for _, action, _ in story.performed if action.kind == "reboot"]
    assert len(reboots) == 1 and story.run_of("n-0").release == NEW
    story.run(seconds=3600)
    assert len([action for _, action, _ in story.performed if action.kind == "reboot"]) == 1
