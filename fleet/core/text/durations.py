"""Formats durations: `1h 52m`, `3m 12s` and, for ages, `3m` or `2d`. No other code formats them."""

from __future__ import annotations

from datetime import timedelta

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def format_duration(seconds: float) -> str:
    """Returns a duration in at most two units: `0s`, `48s`, `3m 12s`, `1h 52m`, `2d 3h`. A smaller unit of 0 is left
    out.

    The duration is rounded to the nearest value that can be shown (119.6 s is `2m`, never `1m 60s`). A negative
    duration has a leading `-`.
    """
    if seconds < 0:
        text = format_duration(-seconds)
        return text if text == "0s" else f"-{text}"
    whole = round(seconds)
    if whole < HOUR:
        return _pair(whole, MINUTE, "m", 1, "s")
    minutes = round(seconds / MINUTE) * MINUTE
    if minutes < DAY:
        return _pair(minutes, HOUR, "h", MINUTE, "m")
    return _pair(round(seconds / HOUR) * HOUR, DAY, "d", HOUR, "h")


def _pair(whole: int, large: int, large_name: str, small: int, small_name: str) -> str:
    count, rest = divmod(whole, large)
    parts = ([f"{count}{large_name}"] if count else []) + ([f"{rest // small}{small_name}"] if rest else [])
    return " ".join(parts) or "0s"


def format_age(delta: timedelta) -> str:
    """Returns how long ago something happened, in one unit, rounded down: `4s`, `3m`, `5h`, `2d`. A time in the future,
    as from a clock that is ahead, gives `0s`."""
    seconds = max(0, int(delta.total_seconds()))
    for size, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if seconds >= size:
            return f"{seconds // size}{name}"
    return f"{seconds}s"
