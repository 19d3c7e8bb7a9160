"""Spans of reports: quarters and days, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fleet.core.releases.release import Advisory, Release
from fleet.core.reporting.period import span
from fleet.core.reporting.period.deadline import PCI_DSS, deadline


def at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "begin", "end"),
    [
        ("2026Q1", at(2026, 1, 1), at(2026, 4, 1)),
        ("2026-q2", at(2026, 4, 1), at(2026, 7, 1)),
        ("2026Q3", at(2026, 7, 1), at(2026, 10, 1)),
        ("2026Q4", at(2026, 10, 1), at(2027, 1, 1)),
    ],
)
def test_a_quarter_has_three_months(name: str, begin: datetime, end: datetime) -> None:
    found = span.quarter(name)
    assert (found.begin, found.end) == (begin, end)
    assert span.quarter_of(begin) == span.quarter_of(end - timedelta.resolution) == found


def test_the_last_day_of_a_span_is_included() -> None:
    found = span.days("2026-10-01", "2026-12-31")
    assert (found.begin, found.end) == (at(2026, 10, 1), at(2027, 1, 1))


@pytest.mark.parametrize("name", ["2026Q5", "2026", "Q4", "26Q4", "2026Q4 ", "٢٠٢٦Q4"])
def test_what_is_no_quarter_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected a quarter such as 2026Q4"):
        span.quarter(name)


@pytest.mark.parametrize(
    ("first", "last"), [("x", "2026-01-01"), ("2026-01-01", "2026-02-30"), ("0001-01-01", "x")]
)
def test_what_is_no_day_is_refused(first: str, last: str) -> None:
    with pytest.raises(ValueError, match="expected a day such as 2026-10-01"):
        span.days(first, last)


def test_a_span_does_not_end_before_it_begins() -> None:
    with pytest.raises(ValueError, match="expected a last day on or after 2026-10-02, found 2026-10-01"):
        span.days("2026-10-02", "2026-10-01")


def test_quarters_follow_one_another_over_the_turn_of_the_year() -> None:
    found = list(span.quarters_until(at(2026, 2, 3), 3))
    assert [each.name for each in found] == ["2025Q3", "2025Q4", "2026Q1"]
    assert [each.end for each in found[:-1]] == [each.begin for each in found[1:]]


def test_a_deadline_is_a_number_of_days_or_the_preset() -> None:
    assert deadline("pci-dss", "release") == PCI_DSS
    assert (PCI_DSS.days, PCI_DSS.severities) == (30, ("critical",))
    assert deadline("14", "advisory").days == 14
    for text in ("0", "-1", "x", "3661", "1.5", ""):
        with pytest.raises(ValueError, match="expected pci-dss or a number of days"):
            deadline(text, "release")


def test_the_preset_is_about_critical_advisories_and_about_what_is_not_known() -> None:
    def release(*severities: str) -> Release:
        return Release("1", advisories=tuple(Advisory(f"CVE-{each}", each) for each in severities))

    assert PCI_DSS.covers(Release("1"))
    assert PCI_DSS.covers(release("high", "critical"))
    assert PCI_DSS.covers(release(""))
    assert not PCI_DSS.covers(release("high", "low"))
    assert deadline("30", "release").covers(release("low"))


def test_days_count_from_the_release_or_from_its_first_dated_advisory() -> None:
    early, late = at(2026, 10, 1), at(2026, 10, 9)
    dated = (Advisory("CVE-1", published=late), Advisory("CVE-2", published=early), Advisory("CVE-3"))
    release = Release("1", released=at(2026, 10, 20), advisories=dated)
    assert deadline("30", "release").starts(release) == at(2026, 10, 20)
    assert deadline("30", "advisory").starts(release) == early
    assert deadline("30", "release").starts(Release("1")) is None
    assert deadline("30", "advisory").starts(Release("1", released=early)) is None
