"""Windows as lists, and as a calendar of 80 columns: a line a day, a column half an hour on the wall clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rich.text import Text

from fleet.cli.terminal.columns import columns
from fleet.cli.views.windows.window_text import levels_of, window_text
from fleet.core.policy.policy import Policy
from fleet.core.policy.schedule import Schedule, Schedules, format_moment
from fleet.core.policy.times.freeze import Freeze
from fleet.core.policy.times.freezes import Freezes
from fleet.core.policy.times.window import RecurringWindow, Window
from fleet.core.policy.windows import LevelWindows
from fleet.core.reporting.ahead.window_calendar import ExpectedRollout, OpenTimes, WindowCalendar
from fleet.core.reporting.report import PlannedSpan

CELL = timedelta(minutes=30)
CELLS = 48
MOST_FREEZES = 10
HOURS = "".join(f"{hour:<6}" for hour in range(0, 24, 3))
CLOSED, OPEN, BUSY, FROZEN, NO_TIME = ".", "#", "R", "x", " "
STYLES = {OPEN: "green", BUSY: "cyan", FROZEN: "red"}
LEGEND = f"{OPEN} open   {BUSY} open, with a rollout   {FROZEN} freeze   {CLOSED} closed"


def window_list(policy: Policy, now: datetime) -> Text:
    """Returns every window by its level, whether it is open, and the freezes to come."""
    levels = list(levels_of(policy, [pool.name for pool in policy.pools]))
    rows = [
        (name, window_text(window), _state(window, now)) for name, windows in levels for window in windows
    ]
    lines = [Text("There are no windows: runs may start at any time.")]
    if rows:
        lines = [columns(("LEVEL", "WINDOW", "NOW"), rows)]
    zone = next((windows[0].zone for _, windows in levels if windows), "UTC")
    schedules = Schedules(policy)
    freezes = schedules.freezes.during(now, now + timedelta(days=366))
    if freezes:
        lines += [Text(""), Text("Freezes of the next year"), *_freezes(freezes, now, zone)]
    lines += [
        Text(f"The calendar of {name} was never read: no run starts.", "red")
        for name in schedules.freezes.unread
    ]
    return Text("\n").join(lines)


def _state(window: Window | RecurringWindow, now: datetime) -> str:
    weekly, recurring = ([window], []) if isinstance(window, Window) else ([], [window])
    schedule = Schedule("", [LevelWindows("", weekly, recurring)], Freezes(()))
    opens = schedule.opens(now)
    if opens is None:
        return "never opens"
    if opens > now:
        return f"opens {format_moment(opens, now, window.zone)}"
    closes = schedule.closes(now)
    return "always open" if closes is None else f"open until {format_moment(closes, now, window.zone)}"


def calendar_text(calendar: WindowCalendar) -> Text:
    """Returns the calendar of every pool, then the freezes and the rollouts."""
    lines: list[Text] = []
    for times in calendar.pools:
        lines += [*_pool(times, calendar), Text("")]
    if any(not times.always_open for times in calendar.pools):
        lines.append(Text(LEGEND, "dim"))
    zone = calendar.pools[0].zone if calendar.pools else "UTC"
    if calendar.freezes:
        lines += [Text("Freezes"), *_freezes(calendar.freezes, calendar.start, zone)]
    if calendar.rollouts:
        lines += [Text("Rollouts"), *(Text(f"  {line}") for line in _rollouts(calendar, zone))]
    return Text("\n").join(lines)


def _pool(times: OpenTimes, calendar: WindowCalendar) -> Iterator[Text]:
    where = f" in {', '.join(times.clusters)}" if times.clusters else ""
    yield Text(f"Pool {times.pool}{where}: when runs may start, on the clocks of {times.zone}", "bold")
    if times.unread:
        yield Text(f"  never: the calendar of {times.unread[0]} was never read", "red")
        return
    if times.always_open:
        yield Text("  always: it has no windows, and there is no freeze")
        return
    zone = ZoneInfo(times.zone)
    yield Text(f"{'':12}{HOURS.rstrip()}", "dim")
    busy = [each for each in calendar.rollouts if times.pool in each.pools]
    closed: list[date] = []
    first, last = calendar.start.astimezone(zone).date(), calendar.end.astimezone(zone).date()
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        cells = "".join(_cells(day, zone, times, busy, calendar))
        if set(cells) <= {NO_TIME}:
            continue
        if set(cells) <= {CLOSED, NO_TIME} and first < day < last:
            closed.append(day)
            continue
        yield from _closed(closed)
        closed = []
        yield _line(
            day, cells, [_clocks(span, day, zone) for span in times.spans if _touches(span, day, zone)]
        )
    yield from _closed(closed)


def _closed(days: Sequence[date]) -> Iterator[Text]:
    if len(days) == 1:
        yield _line(days[0], CLOSED * CELLS, [])
    elif days:
        yield Text(f"{'':12}closed for {len(days)} days", "dim")


def _line(day: date, cells: str, clocks: Sequence[str]) -> Text:
    line = Text(f"{day:%a} {day.day:>2} {day:%b}  ")
    for cell in cells:
        line.append(cell, STYLES.get(cell, ""))
    more = f" +{len(clocks) - 1}" if len(clocks) > 1 else ""
    return line.append(f"  {clocks[0]}{more}" if clocks else "")


def _cells(
    day: date, zone: ZoneInfo, times: OpenTimes, busy: Sequence[ExpectedRollout], calendar: WindowCalendar
) -> Iterator[str]:
    """Yields a sign for each half hour of the day; a blank where the calendar does not reach, which is not closed."""
    for number in range(CELLS):
        clock = _on_clock(day, number, zone)
        spans = [(begin, end) for begin, end in clock if begin < calendar.end and end > calendar.start]
        if not spans:
            yield NO_TIME
        elif any(span.start < end and span.end > begin for begin, end in spans for span in times.spans):
            at_work = any(
                each.start < end and (each.end is None or each.end > begin)
                for begin, end in spans
                for each in busy
            )
            yield BUSY if at_work else OPEN
        elif any(each.start < end and each.end > begin for begin, end in spans for each in times.frozen):
            yield FROZEN
        else:
            yield CLOSED


def _on_clock(day: date, number: int, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """Yields when the wall clock shows this half hour of the day: never in the gap, twice when clocks are put back."""
    wall = datetime.combine(day, time()) + number * CELL
    moments = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    for moment in sorted(moments):
        if moment.astimezone(zone).replace(tzinfo=None) == wall:
            yield moment, moment + CELL


def _touches(span: PlannedSpan, day: date, zone: ZoneInfo) -> bool:
    begin = datetime.combine(day, time(), zone)
    return span.start < begin + timedelta(days=1) and span.end > begin


def _clocks(span: PlannedSpan, day: date, zone: ZoneInfo) -> str:
    begin, end = span.start.astimezone(zone), span.end.astimezone(zone)
    first = f"{begin:%H:%M}" if begin.date() == day else "00:00"
    return f"{first}-{f'{end:%H:%M}' if end.date() == day else '24:00'}"


def _freezes(freezes: Sequence[Freeze], now: datetime, zone: str) -> Iterator[Text]:
    for each in freezes[:MOST_FREEZES]:
        begin, end = (format_moment(moment, now, zone) for moment in (each.begin, each.until))
        yield Text(f"  {begin} to {end}: {each.name}{each.where}")
    if len(freezes) > MOST_FREEZES:
        yield Text(f"  and {len(freezes) - MOST_FREEZES} more")


def _rollouts(calendar: WindowCalendar, zone: str) -> Iterator[str]:
    for each in calendar.rollouts:
        start = format_moment(each.start, calendar.start, zone)
        end = (
            format_moment(each.end, calendar.start, zone)
            if each.end is not None
            else "an end that is not known"
        )
        yield f"{each.name} {each.state}, pools {', '.join(each.pools)}: {start} to {end}"
