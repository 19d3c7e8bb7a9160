"""Windows of the fleet, of sites, clusters and pools: a run starts while every level is open."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, time, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from fleet.cli.views.windows.window_text import window_text
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.policy.policy import Policy
from fleet.core.policy.schedule import Schedules
from fleet.core.policy.times.window import AnyWindow, RecurringWindow, Window, WindowLevel
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.steps import HAS_SLOT, WAITING
from fleet.lab.simulation.builders import NEW, START, a_node, a_policy, a_pool, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.simulated_rollout import SimulatedRollout

DAILY = tuple(range(7))
NIGHT = Window(DAILY, time(20), time(6))
EARLY = Window(DAILY, time(4), time(10))
HOUR = timedelta(hours=1)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


LEVELS = (
    WindowLevel("fleet", "", (NIGHT,)),
    WindowLevel("site", "fra", (EARLY,)),
    WindowLevel(
        "cluster", "west", recurring=(RecurringWindow(wall("2026-11-03T02:00"), 7200, rule="FREQ=DAILY"),)
    ),
)
POLICY = replace(a_policy(a_pool(windows=(Window((0, 1), time(0), time(8)),))), levels=LEVELS)


@pytest.mark.parametrize(
    ("cluster", "site", "begin", "end"),
    [
        ("east", "nyc", "2026-11-03 00:00", "2026-11-03 06:00"),
        ("east", "fra", "2026-11-03 04:00", "2026-11-03 06:00"),
        ("west", "nyc", "2026-11-03 02:00", "2026-11-03 04:00"),
    ],
)
def test_a_run_starts_while_all_levels_of_its_node_are_open(
    cluster: str, site: str, begin: str, end: str
) -> None:
    schedule = Schedules(POLICY).of("workers", cluster, site)
    day = moment("2026-11-03")
    assert schedule.open_spans(day, day + timedelta(days=1)) == [(moment(begin), moment(end))]
    assert schedule.held(moment(begin), HOUR) is None
    held = schedule.held(moment(end) - HOUR + timedelta(minutes=1), HOUR)
    assert held is not None and held.reason is Reason.WINDOW


def test_levels_that_are_never_open_together_never_open() -> None:
    schedule = Schedules(POLICY).of("workers", "west", "fra")
    assert schedule.opens(START) is None and schedule.next_start(START, HOUR) is None
    held = schedule.held(START, HOUR)
    assert held is not None and held.params["opens"] == "not within ten years"


@pytest.mark.parametrize(
    ("now", "closed"),
    [
        ("2026-11-03 03:00", "closed: site fra"),
        ("2026-11-03 09:00", "closed: fleet, pool workers"),
        ("2026-11-03 05:30", "closed: fleet"),
        ("2026-11-05 05:00", "closed: pool workers"),
    ],
)
def test_the_refusal_names_the_levels_that_are_closed(now: str, closed: str) -> None:
    held = Schedules(POLICY).of("workers", "east", "fra").held(moment(now), HOUR)
    assert held is not None and held.params["closed"] == f" ({closed})"
    assert closed in held.message


def test_a_pool_with_windows_of_its_own_alone_is_told_as_ever() -> None:
    plain = replace(POLICY, levels=msgspec.UNSET)
    held = Schedules(plain).of("workers", "east", "fra").held(moment("2026-11-05 05:00"), HOUR)
    assert held is not None and "closed" not in held.params


def test_nodes_of_two_clusters_begin_when_their_own_cluster_is_open() -> None:
    level = WindowLevel("cluster", "west", (Window(DAILY, time(12), time(13)),))
    story = SimulatedRollout(
        [a_snapshot([a_node("n-0")]), a_snapshot([a_node("w-0")], cluster="west")],
        replace(a_policy(), levels=(level,)),
    )
    story.start()
    story.run(until=lambda: story.steps()["n-0"] in HAS_SLOT)
    assert story.steps()["w-0"] in WAITING
    story.run(until=lambda: story.steps()["w-0"] in HAS_SLOT)
    assert timedelta() <= story.now - START.replace(hour=12, minute=0) < HOUR
    assert deepcopy(story.rollout).schedules.of("workers", "west", "fra").levels


def test_a_plan_waits_for_the_windows_of_every_level_and_is_the_same_when_it_is_read_again() -> None:
    rule = RecurringWindow(
        wall("2026-01-13T22:00"), 18000, "Europe/Berlin", "FREQ=MONTHLY;BYDAY=2TU", 3 * 86400
    )
    policy = replace(
        a_policy(replace(a_pool(), recurring=(rule,))), levels=(WindowLevel("fleet", "", (NIGHT,)),)
    )
    plan = make_plan(PlanRequest("", [nodes(2)], policy, ["workers"], NEW, START, DurationEstimates()))
    begins = START + timedelta(
        seconds=min(step.start for run in plan.runs for step in run.steps if step.step == "cordon")
    )
    assert begins == moment("2026-11-13 21:00")
    assert plan.lower_bound_seconds >= (begins - START).total_seconds()
    assert msgspec.json.decode(msgspec.json.encode(plan.policy), type=Policy) == policy


def nodes(count: int) -> Snapshot:
    return a_snapshot([a_node(f"n-{number:02d}") for number in range(count)])


def by_rule(rule: str, **others: int) -> RecurringWindow:
    return RecurringWindow(wall("2026-01-13T22:00"), 3600, rule=rule, **others)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (Window((5, 6), time(1), time(5), "Europe/Berlin"), "Sat-Sun 01:00-05:00 Europe/Berlin"),
        (by_rule("FREQ=MONTHLY;BYDAY=2TU"), "2nd Tue of the month 22:00 for 1h UTC"),
        (
            by_rule("FREQ=MONTHLY;BYDAY=-1SU", shift_seconds=86400),
            "last Sun of the month 22:00 for 1h UTC, 1d later",
        ),
        (by_rule("FREQ=WEEKLY;BYDAY=MO,TU,WE"), "Mon-Wed 22:00 for 1h UTC"),
        (by_rule("FREQ=MONTHLY;BYMONTHDAY=31"), "day 31 of the month 22:00 for 1h UTC"),
        (by_rule("FREQ=DAILY;COUNT=3"), "FREQ=DAILY;COUNT=3 22:00 for 1h UTC"),
        (by_rule(""), "Tue 13 Jan 2026 22:00 for 1h UTC"),
    ],
)
def test_a_window_is_told_in_a_line(window: AnyWindow, text: str) -> None:
    assert window_text(window) == text
