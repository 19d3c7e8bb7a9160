"""Lengths of time as text."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.text import durations

SIZES = {"d": 86400, "h": 3600, "m": 60, "s": 1}


@pytest.mark.parametrize(
    ("seconds", "reported"),
    [
        (0, "0s"),
        (0.4, "0s"),
        (48, "48s"),
        (59.6, "1m"),
        (60, "1m"),
        (119.6, "2m"),
        (192, "3m 12s"),
        (3599.7, "1h"),
        (3600, "1h"),
        (6720, "1h 52m"),
        (86399, "1d"),
        (2 * 86400, "2d"),
        (2 * 86400 + 3 * 3600, "2d 3h"),
        (-72, "-1m 12s"),
        (-0.2, "0s"),
    ],
)
def test_duration_has_at_most_two_units(seconds: float, reported: str) -> None:
    assert durations.format_duration(seconds) == reported


@given(st.floats(0, 400 * 86400))
def test_text_is_within_half_of_the_smallest_shown_unit(seconds: float) -> None:
    parts = re.findall(r"(\d+)([dhms])", durations.format_duration(seconds))
    message = sum(int(count) * SIZES[name] for count, name in parts)
    unit = 1 if seconds < 3600 else 60 if seconds < 86400 else 3600
    assert abs(message - seconds) <= unit / 2 + 1e-6
    assert all(int(count) < 60 for count, name in parts if name in "ms")


@pytest.mark.parametrize(
    ("delta", "reported"),
    [
        (timedelta(seconds=-5), "0s"),
        (timedelta(seconds=4), "4s"),
        (timedelta(minutes=3, seconds=59), "3m"),
        (timedelta(hours=5), "5h"),
        (timedelta(days=2, hours=23), "2d"),
        (timedelta(days=400), "400d"),
    ],
)
def test_age_is_one_unit_rounded_down(delta: timedelta, reported: str) -> None:
    assert durations.format_age(delta) == reported
