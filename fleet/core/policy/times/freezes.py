"""Finds the freezes of a time: those of the policy, and those that recur or come from a calendar."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import UnsetType

from fleet.core.policy.times.freeze import Freeze, FreezeCalendar, FreezeScope
from fleet.core.policy.times.recurrence import Occurrences
from fleet.core.policy.windows import DAY, MONDAY, WEEK, occurrence, week_number

FORESIGHT = timedelta(days=3653)
"""How far ahead the next freeze of a calendar is searched: ten years."""


class Freezes:
    """All freezes of a policy, or those that hold in a part of the fleet."""

    def __init__(self, fixed: Sequence[Freeze], calendars: Sequence[FreezeCalendar] = ()) -> None:
        self._given = (tuple(fixed), tuple(calendars))
        scopes = [*(each.scope for each in fixed), *(each.scope for each in calendars)]
        self.by_place = any(_names_place(scope) for scope in scopes)
        """True: some hold in some sites or clusters only."""
        self.scoped = any(scopes)
        """True: some hold in a part of the fleet only."""
        self.unread = [name for calendar in calendars for name in calendar.unread]
        """The names of calendars that were never read."""
        self._fixed = list(fixed)
        self._recurring: list[tuple[Freeze, Occurrences]] = []
        """Those that recur; of the freeze only name and scope count."""
        for calendar in calendars:
            for title, event in calendar.events:
                name = f"{calendar.name}: {title}" if title else calendar.name
                occurrences = Occurrences(event)
                if event.rule:
                    self._recurring.append((Freeze(name, MONDAY, MONDAY, calendar.scope), occurrences))
                    continue
                for start in occurrences.between(datetime.min, datetime.max):  # noqa: DTZ901
                    spans = occurrence(start, occurrences.duration, event.zone)
                    self._fixed.extend(Freeze(name, *span, calendar.scope) for span in spans)
        self._begins = sorted(freeze.begin for freeze in self._fixed)
        self._weeks: dict[int, list[Freeze]] = {}

    @property
    def key(self) -> Hashable:
        """Returns a key that is equal for equal freezes."""
        return self._given

    def of(self, pool: str, cluster: str, site: str) -> Freezes:
        """Returns the freezes that hold for the nodes of this pool, cluster and site."""
        if not self.scoped:
            return self
        place = (pool, cluster, site)
        fixed, calendars = self._given
        return Freezes(
            [each for each in fixed if each.covers(*place)],
            [each for each in calendars if not each.scope or each.scope.covers(*place)],
        )

    @property
    def latest(self) -> datetime | None:
        """Returns the end of the last freeze that does not recur; None if there is none."""
        return max((freeze.until for freeze in self._fixed), default=None)

    def __bool__(self) -> bool:
        return bool(self._fixed or self._recurring)

    def any_after(self, now: datetime) -> bool:
        """Returns whether a freeze may be in force at `now` or later."""
        return bool(self._recurring) or any(freeze.until > now for freeze in self._fixed)

    def during(self, begin: datetime, end: datetime) -> list[Freeze]:
        """Returns the freezes of which a part is in [begin, end), sorted by their begin."""
        if not self._recurring:
            freezes = [freeze for freeze in self._fixed if freeze.begin < end and freeze.until > begin]
        else:
            weeks = range(week_number(begin), week_number(end) + 1)
            freezes = [
                freeze
                for week in weeks
                for freeze in self._week(week)
                if freeze.begin < end and freeze.until > begin
            ]
        return sorted(
            set(freezes), key=lambda freeze: (freeze.begin, freeze.until, freeze.name, freeze.where)
        )

    def in_force(self, now: datetime) -> Freeze | None:
        """Returns the freeze that is in force at `now`; if there are several, the one that ends last."""
        in_force = (freeze for freeze in self._week(week_number(now)) if freeze.begin <= now < freeze.until)
        return max(in_force, key=lambda freeze: freeze.until, default=None)

    def next_begin(self, now: datetime, until: datetime) -> datetime | None:
        """Returns the begin of the first freeze after `now`. One that recurs is searched up to `until`."""
        index = bisect_right(self._begins, now)
        first = self._begins[index] if index < len(self._begins) else None
        if self._recurring:
            last = min(until, first) if first is not None else until
            for week in range(week_number(now), week_number(last) + 1):
                begins = [freeze.begin for freeze in self._week(week) if freeze.begin > now]
                if begins:
                    return min(begins)
        return first

    def _week(self, week: int) -> list[Freeze]:
        """Returns the freezes of which a part is in this UTC week."""
        if week not in self._weeks:
            begin = MONDAY + week * WEEK
            end = begin + WEEK
            freezes = [freeze for freeze in self._fixed if freeze.begin < end and freeze.until > begin]
            for freeze, occurrences in self._recurring:
                first = begin - occurrences.duration - 2 * DAY
                for start in occurrences.between(_wall(first), _wall(end + 2 * DAY)):
                    spans = occurrence(start, occurrences.duration, occurrences.window.zone)
                    freezes.extend(
                        Freeze(freeze.name, *span, freeze.scope)
                        for span in spans
                        if span[0] < end and span[1] > begin
                    )
            self._weeks[week] = freezes
        return self._weeks[week]


def _names_place(scope: FreezeScope | UnsetType) -> bool:
    return bool(scope and (scope.sites or scope.clusters))


def _wall(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
