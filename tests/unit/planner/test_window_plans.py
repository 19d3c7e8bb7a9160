"""Plans that spread over several windows, and what they and `fleet lint` warn of."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from fleet.cli.views.plan.overview import plan_overview
from fleet.config import loads
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.linting.lint import lint
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.planning.plan_warnings.window_warnings import freezes_inside
from fleet.core.planning.window_use import windows_used
from fleet.core.policy.policy import Amount, Limits, Policy, Pool
from fleet.core.policy.schedule import Schedule
from fleet.core.policy.times.freeze import Freeze
from fleet.core.policy.times.freezes import Freezes
from fleet.core.policy.times.window import RecurringWindow, Window, WindowLevel
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import Release
from fleet.lab.simulation.builders import (
    NEW,
    START,
    a_budget,
    a_deployment,
    a_node,
    a_policy,
    a_pool,
    a_snapshot,
)
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest

DAY = 86400
DAILY = Window(tuple(range(7)), time(20), time(20, 30))
"""START is Monday 2 November 2026 at nine in the morning."""
OPENS = datetime(2026, 11, 2, 20, tzinfo=UTC)


def nodes(count: int) -> Snapshot:
    return a_snapshot([a_node(f"n-{number:02d}") for number in range(count)])


def a_slow_pool(patch_within: int | UnsetType = UNSET, *windows: Window) -> Pool:
    """One node at a time."""
    limits = Limits(Amount(1))
    return replace(a_pool(), windows=windows or (DAILY,), limits=limits, patch_within_seconds=patch_within)


def plan(policy: Policy, count: int = 40, release: Release = NEW) -> Plan:
    request = PlanRequest("", [nodes(count)], policy, ["workers"], release, START, DurationEstimates())
    return make_plan(request)


def checks(made: Plan) -> list[tuple[str, str]]:
    return [(each.check, each.subject) for each in made.warnings]


def found(policy: Policy, *snapshots: Snapshot, unread: tuple[str, ...] = ()) -> set[tuple[str, str]]:
    return {(each.check, each.subject) for each in lint(policy, snapshots, unread).findings}


def test_plan_spreads_over_as_many_windows_as_it_needs_and_says_so() -> None:
    made = plan(a_policy(a_slow_pool()))
    used = windows_used(made)
    assert len(used) > 1 and sum(each.runs for each in used) == len(made.runs) == 40
    assert [each.start for each in used] == [OPENS + timedelta(days=index) for index in range(len(used))]
    assert f"windows   {len(used)}, in which" in plan_overview(made, START).plain


def test_plan_within_one_window_or_without_any_says_nothing_of_it() -> None:
    one = plan(a_policy(a_slow_pool()), count=1)
    (used,) = windows_used(one)
    assert (used.start, used.runs) == (OPENS, 1)
    free = plan(a_policy(a_pool()), count=1)
    assert windows_used(free) == []
    for made in (one, free):
        assert "in which" not in plan_overview(made, START).plain


def test_plan_warns_of_a_freeze_before_its_end_alone() -> None:
    inside = Freeze("inside", OPENS + timedelta(hours=2), OPENS + timedelta(hours=30))
    later = Freeze("later", OPENS + timedelta(days=40), OPENS + timedelta(days=41))
    made = plan(replace(a_policy(a_slow_pool()), freezes=(inside, later)))
    assert [each for each in checks(made) if each[0] == "freeze-inside"] == [("freeze-inside", "inside")]


def test_only_a_freeze_to_come_can_be_escaped_by_an_earlier_start() -> None:
    begun = Freeze("begun", START - timedelta(days=2), START + timedelta(days=2))
    later = Freeze("later", START + timedelta(days=3), START + timedelta(days=4))
    schedule = Schedule("", (), Freezes((begun, later)))
    first, second = freezes_inside([schedule], START, 5 * DAY)
    assert (first.subject, second.subject) == ("begun", "later")
    assert "start earlier" not in first.remedy and "--override-freeze" in first.remedy
    assert "start earlier" in second.remedy


@pytest.mark.parametrize(
    ("released", "within", "late"),
    [
        (UNSET, DAY, True),
        (UNSET, 30 * DAY, False),
        (START - timedelta(days=29), 30 * DAY, True),
        (START, 30 * DAY, False),
        (UNSET, UNSET, False),
    ],
)
def test_plan_warns_where_patch_within_is_over_before_it_ends(
    released: datetime | UnsetType, within: int | UnsetType, late: bool
) -> None:
    made = plan(a_policy(a_slow_pool(within)), release=replace(NEW, released=released))
    assert (("patch-within", "pool workers") in checks(made)) is late


def test_lint_finds_limits_and_windows_with_which_no_rollout_ends_within_patch_within() -> None:
    finding = ("patch-within", "pool workers")
    assert finding in found(a_policy(a_slow_pool(3600)), nodes(12))
    assert finding not in found(a_policy(a_slow_pool(30 * DAY)), nodes(12))


def test_lint_finds_windows_that_never_open() -> None:
    never = WindowLevel("fleet", "", (Window(tuple(range(7)), time(3), time(4)),))
    policy = a_policy(a_slow_pool())
    assert ("window-never", "pool workers") in found(replace(policy, levels=(never,)), nodes(1))
    assert ("window-never", "pool workers") not in found(policy, nodes(1))


def test_lint_finds_windows_of_sites_and_clusters_without_a_node() -> None:
    levels = (
        WindowLevel("site", "fra", (DAILY,)),
        WindowLevel("site", "frankfurt", (DAILY,)),
        WindowLevel("cluster", "east", (DAILY,)),
        WindowLevel("cluster", "esat", (DAILY,)),
    )
    policy = replace(a_policy(a_slow_pool()), levels=levels)
    nowhere = {each for each in found(policy, nodes(1)) if each[0] == "window-nowhere"}
    assert nowhere == {("window-nowhere", "site frankfurt"), ("window-nowhere", "cluster esat")}
    assert not {each for each in found(policy, nodes(1), unread=("west",)) if each[0] == "window-nowhere"}


def test_lint_finds_calendars_that_were_never_read() -> None:
    unread = replace(a_slow_pool(), unread=("pools.workers.windows[1]",))
    assert ("calendar-unread", "pools.workers.windows[1]") in found(a_policy(unread), nodes(1))


def test_patch_within_is_read_from_the_policy_and_its_defaults() -> None:
    text = "defaults: {patch_within: 30d}\npools: [{name: a}, {name: b, patch_within: 7d}]"
    assert [pool.patch_within_seconds for pool in loads(text)[0].pools] == [30 * DAY, 7 * DAY]


YEARLY = RecurringWindow(datetime.fromisoformat("2027-06-01T20:00"), 1800, rule="FREQ=YEARLY")
MONTHLY = RecurringWindow(datetime.fromisoformat("2026-11-10T20:00"), 1800, rule="FREQ=MONTHLY;BYDAY=2TU")


def recurring_pool(window: RecurringWindow) -> Pool:
    return replace(a_slow_pool(), windows=(), recurring=(window,))


def test_plan_goes_on_over_yearly_windows_until_its_last_node() -> None:
    made = plan(a_policy(recurring_pool(YEARLY)), count=40)
    used = windows_used(made)
    assert len(made.runs) == 40 and not made.held
    assert [each.start.year for each in used] == list(range(2027, 2027 + len(used))) and len(used) > 1
    assert made.lower_bound_seconds <= made.makespan_seconds


def test_plan_goes_on_over_more_monthly_windows_than_60_days_have() -> None:
    made = plan(a_policy(recurring_pool(MONTHLY)), count=45)
    assert len(made.runs) == 45 and len(windows_used(made)) > 3


@pytest.mark.parametrize("window", [DAILY, YEARLY], ids=["daily", "yearly"])
def test_node_that_gets_on_in_no_window_is_held_and_the_plan_ends(window: Window | RecurringWindow) -> None:
    """What holds the node is no window, so that the openings to come change nothing."""
    machines = [a_node("n-0"), a_node("n-1")]
    snapshot = a_snapshot(machines, a_deployment("db", 1, machines[:1]), [a_budget("db", 1, 0)])
    pool = a_slow_pool() if isinstance(window, Window) else recurring_pool(window)
    request = PlanRequest("", [snapshot], a_policy(pool), ["workers"], NEW, START, DurationEstimates())
    made = make_plan(request)
    assert [run.node for run in made.runs] == ["n-1"]
    assert [(each.node, each.reason) for each in made.held] == [("n-0", "budget-never")]


def test_window_that_opens_after_ten_years_alone_is_said_so() -> None:
    late = RecurringWindow(datetime.fromisoformat("2040-06-01T20:00"), 1800)
    made = plan(a_policy(recurring_pool(late)), count=2)
    assert not made.runs
    assert {(each.held.reason, each.held.params["opens"]) for each in made.held if each.held} == {
        (Reason.WINDOW, "not within ten years")
    }
