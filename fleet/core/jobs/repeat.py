"""Computes when a job runs again: after some time, or when a week, a month or a quarter of the calendar has ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import Struct

CalendarPeriod = Literal["week", "month", "quarter"]
MONTHS = {"month": 1, "quarter": 3}


class RepeatInterval(Struct, frozen=True):
    """Again some time after the last run."""

    seconds: int

    def after(self, moment: datetime) -> datetime:
        """Returns the next time after the moment."""
        return moment + timedelta(seconds=self.seconds)

    def missed(self, due: datetime, now: datetime) -> int:
        """Returns how many times from `due` to `now`, both included, the job should have run."""
        return 0 if now < due else (now - due) // timedelta(seconds=self.seconds) + 1


class PeriodEnd(Struct, frozen=True):
    """At the end of each week (Sunday), month or quarter, in UTC as all reports."""

    period: CalendarPeriod

    def after(self, moment: datetime) -> datetime:
        """Returns the first end of a period after the moment."""
        return next_begin(self.period, begin_of(self.period, moment))

    def ends(self, due: datetime, now: datetime) -> Iterator[datetime]:
        """Yields every end of a period from `due` to `now`, both included."""
        end = due
        while end <= now:
            yield end
            end = self.after(end)

    def missed(self, due: datetime, now: datetime) -> int:
        """Returns how many times from `due` to `now`, both included, the job should have run."""
        return sum(1 for _ in self.ends(due, now))


Repeat = RepeatInterval | PeriodEnd


def begin_of(period: CalendarPeriod, moment: datetime) -> datetime:
    """Returns the begin of the period in which the moment is."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "week":
        return day - timedelta(days=day.weekday())
    months = MONTHS[period]
    return day.replace(month=(day.month - 1) // months * months + 1, day=1)


def next_begin(period: CalendarPeriod, begin: datetime) -> datetime:
    """Returns the begin of the next period."""
    if period == "week":
        return begin + timedelta(days=7)
    years, month = divmod(begin.month - 1 + MONTHS[period], 12)
    return begin.replace(year=begin.year + years, month=month + 1)
