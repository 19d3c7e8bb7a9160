"""Holds what a rollout does not keep from the policy of its plan: it goes by the calendars and by the freezes as they
are now."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from datetime import datetime

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from fleet.core.policy.policy import Policy, Pool
from fleet.core.policy.times.freeze import Freeze, FreezeCalendar
from fleet.core.policy.times.window import RecurringWindow


class CalendarVersion(Struct, frozen=True):
    """The text of a calendar, as it was read."""

    sha256: str
    """In hex, of the text in UTF-8."""
    read_at: datetime
    """When it was last read from its server; of a file, when it was last changed."""


class CalendarEvents(Struct, frozen=True, omit_defaults=True):
    """Holds what the calendars of a policy say."""

    freezes: tuple[FreezeCalendar, ...] = ()
    windows: dict[str, tuple[RecurringWindow, ...]] = {}
    """The openings by calendar (`RecurringWindow.calendar`)."""

    def __bool__(self) -> bool:
        return bool(self.freezes or self.windows)

    @property
    def names(self) -> frozenset[str]:
        """The names of all calendars, for users."""
        return frozenset((*(f"freeze {each.name}" for each in self.freezes), *self.windows))


def events_of(policy: Policy) -> CalendarEvents:
    """Returns the events of all calendars of the policy."""
    windows: dict[str, list[RecurringWindow]] = {}
    for recurring in _lists(policy):
        for window in dict.fromkeys(recurring):
            if window.calendar and window not in windows.setdefault(window.calendar, []):
                windows[window.calendar].append(window)
    return CalendarEvents(policy.freeze_calendars, {name: tuple(found) for name, found in windows.items()})


def renewed(before: CalendarEvents, now: CalendarEvents) -> CalendarEvents:
    """Returns the calendars of `before` with the events that they have in `now`. A calendar that `now` lacks, or could not
    read, stays as it was; one that is new in `now` is left out: it belongs to another policy."""
    freezes = {each.name: each for each in now.freezes if not each.unread}
    return CalendarEvents(
        tuple(
            replace(each, events=freezes[each.name].events, unread=()) if each.name in freezes else each
            for each in before.freezes
        ),
        {name: now.windows.get(name, windows) for name, windows in before.windows.items()},
    )


def with_events(policy: Policy, events: CalendarEvents) -> Policy:
    """Returns the policy with other events in its calendars."""
    levels = policy.levels
    if not isinstance(levels, UnsetType):
        levels = tuple(replace(each, recurring=_changed(each.recurring, events)) for each in levels)
    calendars = events.freezes if not isinstance(policy.calendars, UnsetType) else policy.calendars
    pools = tuple(_with_events(pool, events) for pool in policy.pools)
    return replace(policy, levels=levels, calendars=calendars, pools=pools)


def with_freezes(
    policy: Policy, freezes: tuple[Freeze, ...], calendars: tuple[FreezeCalendar, ...]
) -> Policy:
    """Returns the policy with other freezes, those of fixed dates and those that calendars have."""
    return replace(policy, freezes=freezes, calendars=calendars or UNSET)


def calendars_now(
    before: tuple[FreezeCalendar, ...], now: tuple[FreezeCalendar, ...]
) -> tuple[FreezeCalendar, ...]:
    """Returns the calendars of `now`. One that stood in `before` keeps the events that it has there, since those are read
    again on their own (`renewed`)."""
    known = {each.name: each for each in before}
    return tuple(
        replace(each, events=old.events, unread=old.unread) if (old := known.get(each.name)) else each
        for each in now
    )


def changed_freezes(before: Policy, now: Policy, at: datetime) -> list[str]:
    """Returns how the freezes of two policies differ, for users: `added: sale (site fra)`. Those that are over at `at` are
    left out, and so are the events of calendars."""
    old, new = _freezes_ahead(before, at), _freezes_ahead(now, at)
    return [
        *(f"added: {name}" for name in new if name not in old),
        *(f"changed: {name}" for name in new if name in old and new[name] != old[name]),
        *(f"lifted: {name}" for name in old if name not in new),
    ]


def _freezes_ahead(policy: Policy, at: datetime) -> dict[str, set[Hashable]]:
    """Returns what says when and where the freezes hold, by their names."""
    found: dict[str, set[Hashable]] = {}
    for freeze in policy.freezes:
        if freeze.until > at:
            found.setdefault(freeze.name, set()).add(freeze)
    for calendar in policy.freeze_calendars:
        found.setdefault(calendar.name, set()).add(calendar.scope or None)
    return found


def changed_calendars(before: CalendarEvents, now: CalendarEvents) -> Iterator[str]:
    """Yields the names of the calendars whose events differ, for users."""
    known = {each.name: each for each in before.freezes}
    yield from (f"freeze {each.name}" for each in now.freezes if each != known.get(each.name))
    yield from (name for name, found in now.windows.items() if found != before.windows.get(name))


def _lists(policy: Policy) -> Iterator[tuple[RecurringWindow, ...]]:
    for level in () if isinstance(policy.levels, UnsetType) else policy.levels:
        yield level.recurring
    for pool in policy.pools:
        yield () if isinstance(pool.recurring, UnsetType) else pool.recurring


def _with_events(pool: Pool, events: CalendarEvents) -> Pool:
    if isinstance(pool.recurring, UnsetType):
        return pool
    return replace(pool, recurring=_changed(pool.recurring, events))


def _changed(windows: tuple[RecurringWindow, ...], events: CalendarEvents) -> tuple[RecurringWindow, ...]:
    """Returns the windows with those of each calendar in the place of the first of its windows."""
    found: list[RecurringWindow] = []
    seen: set[str] = set()
    for window in windows:
        if not window.calendar or window.calendar not in events.windows:
            found.append(window)
        elif window.calendar not in seen:
            seen.add(window.calendar)
            found.extend(events.windows[window.calendar])
    return tuple(found)
