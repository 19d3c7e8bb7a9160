"""Windows by recurrence rules, and those of the fleet, of sites and of clusters."""

from __future__ import annotations

from datetime import datetime, time

import pytest

from fleet.config import loads
from fleet.config.document.findings import Caution
from fleet.core.policy.policy import Policy
from fleet.core.policy.times.window import RecurringWindow, Window, WindowLevel
from fleet.core.records.errors import ConfigError


def read(text: str) -> Policy:
    return loads(text)[0]


def cautions(text: str) -> tuple[Caution, ...]:
    return loads(text)[1]


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def recurring(written: str) -> RecurringWindow:
    found = read(f"pools: [{{name: w, windows: [{{{written}}}]}}]").pools[0].recurring
    assert isinstance(found, tuple)
    return found[0]


def problems(written: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loads(f"pools:\n- name: w\n  windows:\n  - {{{written}}}\n")
    assert all(each.startswith("fleet.yaml:4: pools.w.windows[0]") for each in caught.value.problems)
    return list(caught.value.problems)


PATCH_TUESDAY = "rrule: FREQ=MONTHLY;BYDAY=2TU, start: 2026-01-13T22:00, duration: 5h"


def test_a_window_recurs_by_a_rule() -> None:
    assert recurring(f"{PATCH_TUESDAY}, zone: Europe/Berlin") == RecurringWindow(
        wall("2026-01-13T22:00"), 5 * 3600, "Europe/Berlin", "FREQ=MONTHLY;BYDAY=2TU"
    )


def test_a_window_opens_some_days_after_the_dates_of_its_rule() -> None:
    found = recurring(f"{PATCH_TUESDAY}, shift: 3d, except: [2026-12-11, 2027-01-15T22:00]")
    assert found.shift_seconds == 3 * 86400
    assert found.removed == (wall("2026-12-11T22:00"), wall("2027-01-15T22:00"))


def test_a_window_without_a_rule_opens_once() -> None:
    assert recurring("start: 2026-12-12 08:00, duration: 90m") == RecurringWindow(
        wall("2026-12-12T08:00"), 5400
    )


def test_weekly_windows_and_others_stand_in_one_list() -> None:
    text = f"pools: [{{name: w, windows: [{{days: sun, from: 01:00, to: 05:00}}, {{{PATCH_TUESDAY}}}]}}]"
    pool = read(text).pools[0]
    assert pool.windows == (Window((6,), time(1), time(5)),) and pool.recurring


def test_a_pool_undoes_the_windows_of_the_defaults() -> None:
    text = f"defaults: {{windows: [{{{PATCH_TUESDAY}}}]}}\npools: [{{name: a}}, {{name: b, windows: []}}]"
    first, second = read(text).pools
    assert first.recurring and not second.recurring


@pytest.mark.parametrize(
    ("until", "kept"),
    [
        ("20261231", "20261231T235959"),
        ("20261231T220000", "20261231T220000"),
        ("20261231T220000Z", "20261231T230000"),
    ],
)
def test_the_end_of_a_rule_is_kept_on_the_wall_clock(until: str, kept: str) -> None:
    found = recurring(
        f"rrule: 'RRULE:freq=daily;until={until}', start: 2026-01-13T22:00, duration: 1h, zone: Europe/Berlin"
    )
    assert found.rule == f"FREQ=DAILY;UNTIL={kept}"


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ("FREQ=SECONDLY", "FREQ"),
        ("FREQ=HOURLY", "FREQ"),
        ("BYDAY=2TU", "FREQ"),
        ("every tuesday", "such as"),
        ("FREQ=DAILY;BYHOUR=3", "BYHOUR"),
        ("FREQ=DAILY;BYMONTHDAY=3", "BYMONTHDAY"),
        ("FREQ=WEEKLY;BYDAY=2TU", "BYDAY"),
        ("FREQ=MONTHLY;BYDAY=XX", "BYDAY"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "COUNT"),
        ("FREQ=DAILY;COUNT=3;COUNT=4", "COUNT"),
        ("FREQ=DAILY;UNTIL=20270230", "UNTIL"),
        ("FREQ=DAILY;UNTIL=20250101", "never"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never"),
        ("FREQ=MONTHLY;BYDAY=6TU", "never"),
        ("FREQ=MONTHLY;BYDAY=TU;BYSETPOS=6", "never"),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=MO", "never"),
        ("FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29", "never"),
        ("FREQ=MONTHLY;X-NEW=1", "X-NEW"),
    ],
)
def test_a_rule_that_is_not_supported_or_never_occurs_is_a_mistake(rule: str, word: str) -> None:
    (found,) = problems(f"rrule: '{rule}', start: 2026-01-13T22:00, duration: 5h")
    assert "windows[0].rrule" in found and word in found


@pytest.mark.parametrize(
    ("written", "keys"),
    [
        ("rrule: FREQ=DAILY", ["start", "duration"]),
        ("start: 2026-01-13, duration: 5h", ["windows[0].start"]),
        ("start: 2026-01-13T22:00Z, duration: 5h", ["windows[0].start"]),
        ("start: 2026-02-30T22:00, duration: 0s", ["windows[0].start", "windows[0].duration"]),
        (f"{PATCH_TUESDAY}, except: [someday], shift: -1d, zone: Mars/Base", ["zone", "shift", "except"]),
        (f"{PATCH_TUESDAY}, days: mon", ["windows[0].days"]),
        (f"{PATCH_TUESDAY}, fom: x", ["fom"]),
    ],
)
def test_all_mistakes_of_a_window_are_reported_at_once(written: str, keys: list[str]) -> None:
    found = problems(written)
    assert len(found) == len(keys)
    assert all(any(key in each for each in found) for key in keys), found


def test_an_exception_on_a_day_on_which_the_window_does_not_open_is_a_warning() -> None:
    (caution,) = cautions(f"pools: [{{name: w, windows: [{{{PATCH_TUESDAY}, except: 2026-12-09}}]}}]")
    assert "2026-12-09" in caution.message


def test_the_fleet_sites_and_clusters_have_windows() -> None:
    found = read(f"""\
windows: [{{days: mon-fri, from: 20:00, to: 06:00}}]
sites: [{{name: fra, zone: Europe/Berlin, windows: [{{from: 22:00, to: 04:00}}, {{from: 1:00, to: 2:00, zone: UTC}}]}}]
clusters: [{{name: east, windows: [{{{PATCH_TUESDAY}}}]}}, {{name: west}}]
pools: [{{name: w}}]
""").levels
    daily = tuple(range(7))
    assert found == (
        WindowLevel("fleet", "", (Window((0, 1, 2, 3, 4), time(20), time(6)),)),
        WindowLevel(
            "site",
            "fra",
            (Window(daily, time(22), time(4), "Europe/Berlin"), Window(daily, time(1), time(2))),
        ),
        WindowLevel(
            "cluster",
            "east",
            recurring=(RecurringWindow(wall("2026-01-13T22:00"), 18000, rule="FREQ=MONTHLY;BYDAY=2TU"),),
        ),
    )


def test_a_site_and_a_cluster_are_named_once() -> None:
    with pytest.raises(ConfigError) as caught:
        loads("sites: [{name: a}, {name: a}]\nclusters: [{}]\npools: [{name: w}]\n")
    assert ["sites.a.name" in each or "clusters[0]" in each for each in caught.value.problems] == [True, True]
