"""Formats moments. Sites have many time zones, so all times are in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fleet.core.text.durations import format_age


def clock(moment: datetime, now: datetime) -> str:
    """Returns `13:02 UTC` on the same day, `Sat 21 Nov 13:02 UTC` otherwise, with the year where it is another."""
    moment, now = moment.astimezone(UTC), now.astimezone(UTC)
    if moment.date() == now.date():
        return f"{moment:%H:%M} UTC"
    return f"{moment:%a %d %b %H:%M} UTC" if moment.year == now.year else f"{moment:%d %b %Y %H:%M} UTC"


def stamp(moment: datetime) -> str:
    """Returns `2026-11-21 13:02:09`, for columns whose head names UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def second(moment: datetime, now: datetime) -> str:
    """Returns `13:02:09` on the same day, `21 Nov 13:02:09` otherwise, for columns whose head names UTC."""
    moment, now = moment.astimezone(UTC), now.astimezone(UTC)
    return f"{moment:%H:%M:%S}" if moment.date() == now.date() else f"{moment:%d %b %H:%M:%S}"


def ago(moment: datetime | None, now: datetime) -> str:
    """Returns `4s`, `3m`, `2d`, or `never`."""
    return format_age(now - moment) if moment is not None else "never"


def at_offset(seconds: float) -> str:
    """Returns a place on a plan's timeline: `0:00:48`, `1:52:03`."""
    return str(timedelta(seconds=round(seconds)))
