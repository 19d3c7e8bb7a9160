"""Decides when runs may start: while a window is open on every level that has windows, except during freezes.

The levels are the fleet, the site, the cluster and the pool of a node. The moments of windows are those of
`fleet.core.policy.windows`, the freezes those of `fleet.core.policy.times.freezes`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import UnsetType

from fleet.core.policy.policy import Policy, Pool
from fleet.core.policy.times.freeze import Freeze
from fleet.core.policy.times.freezes import Freezes
from fleet.core.policy.windows import DAY, MONDAY, WEEK, LevelWindows, OpenSpan, common, joined, week_number
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.text import durations

OPENING = timedelta(minutes=15)
"""A run that is too long for every window may start in the longest one, until this long after the window has opened."""
WEEKLY_FORESIGHT = 4 * WEEK
"""How far ahead an open moment is searched where all windows are the pool's weekly ones: changes of the clocks can skip
one or two of them."""
FORESIGHT = 522 * WEEK
"""How far ahead an open moment is searched elsewhere: ten years. A window that opens later counts as never open."""
LAST_YEAR = 9000
"""A window that would open after this year counts as never open."""


class Schedule:
    """Computes when the runs of one pool may start on the nodes of one cluster and site."""

    def __init__(
        self, pool: str, levels: Sequence[LevelWindows], freezes: Freezes, unread: Sequence[str] = ()
    ) -> None:
        """`levels`: those that have windows, the narrowest last. `unread`: calendars of windows that were never read."""
        self.pool = pool
        self.levels = tuple(levels)
        self.freezes = freezes
        self.unread = (*unread, *freezes.unread)
        self.zone = levels[-1].zone if levels else "UTC"
        """The time zone in which moments are shown to users."""
        simple = len(levels) <= 1 and all(level.recurs_weekly for level in levels)
        self._foresight = WEEKLY_FORESIGHT if simple else FORESIGHT
        self._never = "never" if simple else "not within ten years"
        self._weeks: dict[int, list[OpenSpan]] = {}
        self._longest: dict[datetime, timedelta] = {}

    @property
    def always_open(self) -> bool:
        """Returns whether runs may start at any time."""
        return not self.levels and not self.freezes and not self.unread

    def held(self, now: datetime, needed: timedelta) -> Held | None:
        """Returns why a run that takes `needed` (its p95) may not start now; None if it may. A run must end before the
        window ends and before a freeze begins.

        A run longer than every window could never start, so the time that a run must have left is at most the longest
        window less its first 15 minutes (`OPENING`). Neither the end of a window nor a freeze interrupts a run that has
        begun.
        """
        if self.unread:
            return Held(Reason.CALENDAR_UNREAD, self.unread[0])
        if freeze := self.freezes.in_force(now):
            return self._held_by(freeze, now)
        must_remain = self._must_remain(now, needed)
        if _fits(self.closes(now), now, must_remain):
            return None
        if _fits(self._window_closes(now), now, must_remain):
            ahead = self.freezes.next_begin(now, now + must_remain)
            freeze = self.freezes.in_force(ahead) if ahead is not None else None
            if freeze is not None:
                return self._held_by(freeze, now)
        start = self.next_start(now, needed)
        facts: dict[str, str | int] = {
            "opens": self._never if start is None else format_moment(start, now, self.zone),
            "needed": durations.format_duration(needed.total_seconds()),
        }
        if len(self.levels) > 1 or (self.levels and self.levels[0].name != f"pool {self.pool}"):
            facts["closed"] = f" ({self._closed(now, must_remain)})"
        return Held(Reason.WINDOW, self.pool, facts)

    def _held_by(self, freeze: Freeze, now: datetime) -> Held:
        facts: dict[str, str | int] = {"until": format_moment(freeze.until, now, self.zone)}
        if freeze.scope:
            facts["where"] = freeze.where
        return Held(Reason.FREEZE, freeze.name, facts)

    def next_start(self, now: datetime, needed: timedelta) -> datetime | None:
        """Returns the first moment from `now` on at which `held` would let such a run start; None if there is none."""
        if self.unread:
            return None
        horizon = self._horizon(now)
        moment = self.opens(now)
        while moment is not None and moment < horizon:
            end = self.closes(moment)
            if end is None or end - moment >= self._must_remain(moment, needed):
                return moment
            moment = self.opens(end)
        return None

    def opens(self, now: datetime) -> datetime | None:
        """Returns the first open moment from `now` on, `now` included; None if there is none."""
        moment, horizon = now, self._horizon(now)
        while moment.year < LAST_YEAR and moment <= horizon:
            if self.levels:
                opened = self._window_opens(moment)
                if opened is None:
                    return None
                moment = opened
            freeze = self.freezes.in_force(moment)
            if freeze is None:
                return moment
            moment = freeze.until.astimezone(UTC)
        return None

    def next_window(self, now: datetime) -> datetime | None:
        """Returns the first moment from `now` on at which windows are open, freezes or not; None if there is none."""
        return self._window_opens(now) if self.levels else now

    def window_closes(self, now: datetime) -> datetime | None:
        """Returns when the windows that are open at `now` close, freezes or not; `now` if none is open, None if they never
        close."""
        return self._window_closes(now)

    def closes(self, now: datetime) -> datetime | None:
        """Returns when the open time that contains `now` ends: `now` itself if nothing is open, None if it never
        ends."""
        if self.freezes.in_force(now):
            return now
        end = self._window_closes(now)
        if end == now:
            return now
        ahead = self.freezes.next_begin(now, end if end is not None else now + FORESIGHT)
        return min((each for each in (ahead, end) if each is not None), default=None)

    def open_spans(self, begin: datetime, end: datetime) -> list[OpenSpan]:
        """Returns the parts of [begin, end) that are open."""
        spans = self.window_spans(begin, end)
        for freeze in self.freezes.during(begin, end):
            spans = [part for span in spans for part in _without(span, freeze)]
        return spans

    def window_spans(self, begin: datetime, end: datetime) -> list[OpenSpan]:
        """Returns the parts of [begin, end) in which windows are open, freezes or not."""
        if not self.levels:
            return [(begin, end)] if begin < end else []
        return joined(self._week, begin, end)

    def starts(self, begin: datetime, end: datetime, needed: timedelta) -> list[OpenSpan]:
        """Returns the spans of [begin, end) in which `held` lets a run start that takes `needed` (its p95). The spans
        are closed: a run may start at either end."""
        if self.unread:
            return []
        spans = (
            (first, last, self._must_remain(first, needed)) for first, last in self.open_spans(begin, end)
        )
        return [
            (first, last - must_remain) for first, last, must_remain in spans if last - first >= must_remain
        ]

    def last_moment(self, start: datetime, weeks: timedelta) -> datetime:
        """Returns how far ahead a plan that begins at `start` looks: the given time after all freezes of a fixed date."""
        return max(start, self.freezes.latest or start) + weeks

    def _horizon(self, now: datetime) -> datetime:
        latest = max(now, self.freezes.latest or now)
        return min(latest, datetime(LAST_YEAR, 1, 1, tzinfo=UTC)) + self._foresight

    def _closed(self, now: datetime, must_remain: timedelta) -> str:
        """Returns the levels on which no window is open for long enough, for users."""
        closed = []
        for level in self.levels:
            spans = level.inside(now, now + must_remain + timedelta(seconds=1))
            if not spans or spans[0][0] > now or spans[0][1] < now + must_remain:
                closed.append(level.name)
        return f"closed: {', '.join(closed)}" if closed else "open for too short a time"

    def _must_remain(self, now: datetime, needed: timedelta) -> timedelta:
        """Returns how much time a run must have left to start at `now`."""
        if not self.levels:
            return needed
        return min(needed, max(timedelta(), self.longest(now) - OPENING))

    def longest(self, now: datetime) -> timedelta:
        """Returns the longest time for which windows are open without a break, as if no clock were changed, and without
        freezes: in two weeks, or in the year of `now` where windows do not recur weekly."""
        weekly = all(level.recurs_weekly for level in self.levels)
        begin = MONDAY + week_number(now) * WEEK if weekly else datetime(now.year, 1, 1, tzinfo=UTC)
        if begin not in self._longest:
            end = begin + (2 if weekly else 54) * WEEK
            spans = [(begin, end)]
            for level in self.levels:
                spans = common(spans, level.without_changes(begin, end))
            self._longest[begin] = max((last - first for first, last in spans), default=timedelta())
        return self._longest[begin]

    def _window_opens(self, now: datetime) -> datetime | None:
        week = week_number(now)
        while MONDAY + week * WEEK < now + self._foresight:
            for first, last in self._week(week):
                if last > now:
                    return max(first, now)
            week += 1
        return None

    def _window_closes(self, now: datetime) -> datetime | None:
        """Returns when the windows that are open at `now` close; `now` if none is open, None if they never close."""
        if not self.levels:
            return None
        # What is open without a break for two weeks by weekly windows is always open.
        horizon = now + (2 * WEEK if self._foresight == WEEKLY_FORESIGHT else FORESIGHT)
        end = now
        week = week_number(now)
        while end < horizon:
            span = next(((first, last) for first, last in self._week(week) if first <= end < last), None)
            if span is None:
                return end
            end = span[1]
            if end < MONDAY + (week + 1) * WEEK:
                return end
            week += 1
        return None

    def _week(self, week: int) -> list[OpenSpan]:
        """Returns the spans of one UTC week in which a window is open on every level."""
        if week not in self._weeks:
            spans = self.levels[0].week(week)
            for level in self.levels[1:]:
                spans = common(spans, level.week(week))
            self._weeks[week] = spans
        return self._weeks[week]


class Schedules:
    """The schedules of all nodes under one policy. Levels are computed once, and shared."""

    def __init__(self, policy: Policy, *, freezes: bool = True) -> None:
        """Makes the schedules; without `freezes` these are ignored, as in a rollout that overrides them."""
        self._policy = policy
        self.freezes = Freezes(policy.freezes, policy.freeze_calendars) if freezes else Freezes(())
        self._levels: dict[tuple[str, str], LevelWindows] = {}
        self._unread: dict[tuple[str, str], tuple[str, ...]] = {}
        for rules in () if isinstance(policy.levels, UnsetType) else policy.levels:
            key, name = (rules.level, rules.name), f"{rules.level} {rules.name}".strip()
            self._unread[key] = rules.unread
            if rules.windows or rules.recurring:
                self._levels[key] = LevelWindows(name, rules.windows, rules.recurring)
        self.by_place = any(level != "fleet" for level, _ in (*self._levels, *self._unread))
        self.by_place |= self.freezes.by_place
        """True: some sites or clusters have windows or freezes of their own."""
        self._freezes: dict[Hashable, Freezes] = {}
        self._known: dict[tuple[str, str, str], Schedule] = {}

    def of(self, pool: str, cluster: str, site: str) -> Schedule:
        """Returns the schedule of the nodes of this pool, cluster and site."""
        place = (pool, cluster, site) if self.by_place else (pool, "", "")
        if place not in self._known:
            keys = (("fleet", ""), ("site", site), ("cluster", cluster))
            levels = [self._levels[key] for key in keys if key in self._levels]
            unread = [name for key in keys for name in self._unread.get(key, ())]
            named = self._policy.pool(pool)
            if named is not None:
                levels.extend(self._pool_level(named))
                unread.extend(() if isinstance(named.unread, UnsetType) else named.unread)
            self._known[place] = Schedule(pool, levels, self._freezes_of(place), unread)
        return self._known[place]

    def _freezes_of(self, place: tuple[str, str, str]) -> Freezes:
        """Returns the freezes of a place. Places with the same freezes share them, since they are costly to compute."""
        found = self.freezes.of(*place)
        return self._freezes.setdefault(found.key, found)

    def _pool_level(self, pool: Pool) -> Iterator[LevelWindows]:
        key = ("pool", pool.name)
        recurring = () if isinstance(pool.recurring, UnsetType) else pool.recurring
        if key not in self._levels and (pool.windows or recurring):
            self._levels[key] = LevelWindows(f"pool {pool.name}", pool.windows, recurring)
        if key in self._levels:
            yield self._levels[key]


def format_moment(moment: datetime, now: datetime, zone: str) -> str:
    """Returns the moment as text for users, in the time zone `zone`: `Sat 01:00 CET`, or `Sat 12 Dec 01:00 CET` if it
    is six days away or more, or past: a weekday alone is read as the next one."""
    local = moment.astimezone(ZoneInfo(zone))
    if timedelta() <= moment - now < 6 * DAY:
        return f"{local:%a %H:%M %Z}"
    year = f" {local.year}" if local.year != now.year else ""
    return f"{local:%a} {local.day} {local:%b}{year} {local:%H:%M %Z}"


def _fits(end: datetime | None, now: datetime, must_remain: timedelta) -> bool:
    """Returns whether at least `must_remain` is left until `end`; None stands for no end."""
    return end is None or (end > now and end - now >= must_remain)


def _without(span: OpenSpan, freeze: Freeze) -> Iterator[OpenSpan]:
    """Yields the parts of the span outside the freeze."""
    begin, end = span
    if begin < min(end, freeze.begin):
        yield begin, min(end, freeze.begin)
    if max(begin, freeze.until) < end:
        yield max(begin, freeze.until), end
