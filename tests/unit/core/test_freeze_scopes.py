"""Freezes of a part of the fleet: they hold the nodes there, and no others."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.cli.views.windows.window_calendar import calendar_text, window_list
from fleet.cli.views.windows.window_ics import calendar_ics
from fleet.config.policy import loads
from fleet.core.linting.lint import lint
from fleet.core.objects.node import SITE_LABEL, Node
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.policy.policy import Policy
from fleet.core.policy.schedule import Schedules
from fleet.core.policy.times.freeze import Freeze, FreezeCalendar, FreezeScope
from fleet.core.policy.times.window import RecurringWindow
from fleet.core.records.errors import ConfigError
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import Release
from fleet.core.reporting.ahead.window_calendar import Place, window_calendar
from fleet.core.reporting.period.causes import PolicyRecord, causes
from fleet.core.reporting.period.history import NodeHistory
from fleet.lab.simulation.builders import NEW, START, a_node, a_policy, a_pool, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest

DAY = timedelta(days=1)
AT_FRA = FreezeScope(sites=("fra",))
WEB_IN_EAST = FreezeScope(clusters=("east",), pools=("web",))


def at_site(name: str, site: str) -> Node:
    node = a_node(name)
    return replace(node, labels={**node.labels, SITE_LABEL: site})


def a_freeze(scope: FreezeScope) -> Freeze:
    return Freeze("sale", START, START + DAY, scope)


@pytest.mark.parametrize(
    ("scope", "place", "frozen"),
    [
        (AT_FRA, ("web", "east", "fra"), True),
        (AT_FRA, ("web", "east", "ams"), False),
        (WEB_IN_EAST, ("web", "east", "ams"), True),
        (WEB_IN_EAST, ("db", "east", "ams"), False),
        (WEB_IN_EAST, ("web", "west", "ams"), False),
    ],
)
def test_freeze_holds_where_it_names_and_nowhere_else(
    scope: FreezeScope, place: tuple[str, str, str], frozen: bool
) -> None:
    policy = Policy((a_pool("web"), a_pool("db")), freezes=(a_freeze(scope),))
    held = Schedules(policy).of(*place).held(START, timedelta(minutes=1))
    assert (held is not None) == frozen
    if held is not None:
        assert (held.reason, held.params["where"]) == (Reason.FREEZE, f" ({scope})")


def test_calendar_that_was_never_read_holds_only_the_part_that_it_is_about() -> None:
    policy = Policy(
        (a_pool("web"),), calendars=(FreezeCalendar("board", unread=("freeze board",), scope=AT_FRA),)
    )
    schedules = Schedules(policy)
    assert schedules.of("web", "east", "fra").unread and not schedules.of("web", "east", "ams").unread


def test_recurring_event_of_a_calendar_holds_its_part() -> None:
    event = RecurringWindow(START.replace(tzinfo=None), 3600, rule="FREQ=DAILY")
    policy = Policy((a_pool("web"),), calendars=(FreezeCalendar("board", (("", event),), scope=AT_FRA),))
    later = START + 3 * DAY + timedelta(minutes=5)
    found = {
        site: Schedules(policy).of("web", "east", site).held(later, timedelta()) for site in ("fra", "ams")
    }
    assert found["fra"] is not None and found["ams"] is None


NAMES = st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(tuple)
SCOPES = st.builds(FreezeScope, NAMES, NAMES, NAMES)


@given(st.lists(SCOPES, max_size=4), st.tuples(*[st.sampled_from("abc")] * 3))
def test_node_is_held_by_exactly_the_freezes_that_cover_it(
    scopes: list[FreezeScope], place: tuple[str, str, str]
) -> None:
    pool, cluster, site = place
    freezes = tuple(Freeze(f"f{index}", START, START + DAY, scope) for index, scope in enumerate(scopes))
    schedule = Schedules(Policy((a_pool(pool),), freezes=freezes)).of(pool, cluster, site)
    expected = {
        freeze.name
        for freeze, scope in zip(freezes, scopes, strict=True)
        if (not scope.pools or pool in scope.pools)
        and (not scope.clusters or cluster in scope.clusters)
        and (not scope.sites or site in scope.sites)
    }
    assert {each.name for each in schedule.freezes.during(START, START + DAY)} == expected


def test_plan_goes_on_where_there_is_no_freeze_and_warns_of_that_part_alone() -> None:
    nodes = [at_site(f"n-{number}", site) for number, site in enumerate(("fra", "ams"))]
    policy = replace(a_policy(), freezes=(a_freeze(AT_FRA), a_freeze(FreezeScope(sites=("nyc",)))))
    plan = make_plan(
        PlanRequest("p-1", [a_snapshot(nodes)], policy, ("workers",), NEW, START, DurationEstimates())
    )
    begun = {run.node: min(step.start for step in run.steps if step.step != "stage") for run in plan.runs}
    assert begun["n-0"] >= DAY.total_seconds() > begun["n-1"]
    subjects = [warning.subject for warning in plan.warnings if warning.check == "freeze-inside"]
    assert subjects == ["sale (site fra)"]


def test_preview_and_list_name_the_part_and_show_the_freeze_in_its_calendar_alone() -> None:
    policy = replace(a_policy(), freezes=(a_freeze(AT_FRA),))
    places = [Place("east", "fra"), Place("west", "ams")]
    calendar = window_calendar(policy, policy.pools, places, START, START + DAY, ())
    assert [(times.clusters, bool(times.frozen)) for times in calendar.pools] == [
        (("east",), True),
        (("west",), False),
    ]
    assert "sale (site fra)" in calendar_text(calendar).plain
    assert "sale (site fra)" in window_list(policy, START).plain
    assert "sale (site fra)" in calendar_ics(calendar).replace("\r\n ", "")


def test_lint_finds_a_freeze_of_a_place_without_nodes() -> None:
    scope = FreezeScope(sites=("frankfurt",), clusters=("esat",))
    policy = replace(a_policy(), freezes=(Freeze("sale", START, START + DAY, scope),))
    snapshot = a_snapshot([at_site("n-0", "fra")])
    found = [each for each in lint(policy, [snapshot]).findings if each.check == "freeze-nowhere"]
    assert [each.subject for each in found] == ["freeze sale"] * 2
    assert {word in found[0].message + found[1].message for word in ("frankfurt", "esat")} == {True}


def test_report_counts_a_freeze_for_the_nodes_inside_alone() -> None:
    record = PolicyRecord.of([replace(a_policy(), freezes=(a_freeze(AT_FRA),))])
    nodes = [NodeHistory("east", "n-0", "workers", site=site) for site in ("fra", "ams")]
    release = Release("44.2", NEW.digest)
    kinds = [
        [cause.kind for cause in causes(node, release, START, START + DAY, record, START + DAY)]
        for node in nodes
    ]
    assert ["freeze" in each for each in kinds] == [True, False]


def test_policy_has_scopes_of_fixed_freezes_and_of_calendars() -> None:
    text = """
pools: [{name: web}]
freezes:
  - {name: sale, from: 2026-12-01, until: 2026-12-02, zone: UTC, sites: [fra, ams], pools: web}
  - {name: all, from: 2026-12-01, until: 2026-12-02, zone: UTC}
"""
    first, second = loads(text)[0].freezes
    assert first.scope == FreezeScope(("fra", "ams"), (), ("web",))
    assert not second.scope


@pytest.mark.parametrize("key", ["pools: [wbe]", "sites: []", "clusters: ['a b']"])
def test_scope_with_a_mistake_is_refused(key: str) -> None:
    text = f"pools: [{{name: web}}]\nfreezes: [{{name: f, from: 2026-12-01T00:00Z, until: 2026-12-02T00:00Z, {key}}}]"
    with pytest.raises(ConfigError, match=rf"freezes\.f\.{key.partition(':')[0]}"):
        loads(text)
