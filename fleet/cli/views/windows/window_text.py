"""Windows as short texts: `Sat-Sun 01:00-05:00 Europe/Berlin`, `2nd Tue of the month 22:00 for 5h Europe/Berlin`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import UnsetType

from fleet.core.policy.policy import Policy
from fleet.core.policy.times.window import AnyWindow, RecurringWindow, Window
from fleet.core.text.durations import format_duration

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
CODES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
ORDINALS = {"1": "1st", "2": "2nd", "3": "3rd", "4": "4th", "5": "5th", "-1": "last"}


def levels_of(policy: Policy, pools: Sequence[str]) -> Iterator[tuple[str, Sequence[AnyWindow]]]:
    """Yields every level that has windows, with its name for users: the fleet, sites, clusters, and these pools."""
    for level in () if isinstance(policy.levels, UnsetType) else policy.levels:
        yield f"{level.level} {level.name}".strip(), (*level.windows, *level.recurring)
    for name in pools:
        pool = policy.pool(name)
        if pool is not None:
            recurring = () if isinstance(pool.recurring, UnsetType) else pool.recurring
            if pool.windows or recurring:
                yield f"pool {name}", (*pool.windows, *recurring)


def window_text(window: AnyWindow) -> str:
    """Returns the window in one line."""
    if isinstance(window, Window):
        return f"{_days(window.days)} {window.start:%H:%M}-{window.end:%H:%M} {window.zone}"
    when = _rule(window) if window.rule else f"{window.start:%a} {window.start.day} {window.start:%b %Y}"
    text = f"{when} {window.start:%H:%M} for {format_duration(window.seconds)} {window.zone}"
    return text + (f", {format_duration(window.shift_seconds)} later" if window.shift_seconds else "")


def _rule(window: RecurringWindow) -> str:
    """Returns a rule of a usual form in English, and any other as it is written."""
    parts = dict(part.split("=", 1) for part in window.rule.split(";"))
    match parts:
        case {"FREQ": "DAILY", **rest} if not rest:
            return "daily"
        case {"FREQ": "WEEKLY", "BYDAY": days, **rest} if not rest:
            return _days([CODES.index(day) for day in days.split(",")])
        case {"FREQ": "MONTHLY", "BYDAY": day, **rest} if not rest and day[:-2].lstrip("+") in ORDINALS:
            return f"{ORDINALS[day[:-2].lstrip('+')]} {DAYS[CODES.index(day[-2:])]} of the month"
        case {"FREQ": "MONTHLY", "BYMONTHDAY": day, **rest} if not rest and day.isdigit():
            return f"day {day} of the month"
    return window.rule


def _days(days: Sequence[int]) -> str:
    """Returns runs of days as `Mon-Fri` or `Sat, Sun`; one by one where they are apart."""
    ordered = sorted(set(days))
    if len(ordered) == len(DAYS):
        return "daily"
    if len(ordered) > 1 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"{DAYS[ordered[0]]}-{DAYS[ordered[-1]]}"
    return ", ".join(DAYS[day] for day in ordered)
