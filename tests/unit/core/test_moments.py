"""Moments as users give them on the command line."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.text.moments import day, moment

NOW = datetime(2026, 11, 30, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-09-01", datetime(2026, 9, 1, tzinfo=UTC)),
        ("2026-09-01T10:00Z", datetime(2026, 9, 1, 10, tzinfo=UTC)),
        ("2026-09-01T10:00", datetime(2026, 9, 1, 10, tzinfo=UTC)),
        ("2026-09-01 10:00:30", datetime(2026, 9, 1, 10, 0, 30, tzinfo=UTC)),
        ("2026-09-01T10:00+02:00", datetime(2026, 9, 1, 8, tzinfo=UTC)),
        ("-7d", NOW - timedelta(days=7)),
        ("-90m", NOW - timedelta(minutes=90)),
        ("-2w", NOW - timedelta(weeks=2)),
    ],
)
def test_moment_is_read_in_utc(text: str, expected: datetime) -> None:
    assert moment(text, NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "7d",
        "-7",
        "-7y",
        "2026-02-30",
        "2026-9-1",
        "2026-09-01T25:00Z",
        "-999999w",
        "٢٠٢٦-٠٩-٠١",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a moment such as 2026-09-01, 2026-09-01T10:00Z or -7d"):
        moment(text, NOW)


@given(st.text(max_size=24))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        assert moment(text, NOW).tzinfo is UTC
    except ValueError as error:
        assert "expected a moment" in str(error)


def test_day_has_no_time() -> None:
    assert day("2026-10-01", NOW) == date(2026, 10, 1)
    assert day("-7d", NOW) == date(2026, 11, 23)
    with pytest.raises(ValueError, match="expected a day"):
        day("2026-10-01T10:00Z", NOW)
