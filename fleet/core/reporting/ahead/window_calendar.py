"""Shows when runs may start in the days to come: open times, freezes, and the rollouts that use them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.policy.policy import Policy, Pool
from fleet.core.policy.schedule import Schedule, Schedules
from fleet.core.policy.times.freeze import Freeze
from fleet.core.reporting.report import PlannedSpan


class Place(NamedTuple):
    """A cluster with the site of its nodes."""

    cluster: str
    site: str


class OpenTimes(Struct, frozen=True):
    """Says when the runs of one pool may start on nodes of these clusters, which have the same windows."""

    pool: str
    clusters: tuple[str, ...]
    """Empty: in all clusters."""
    zone: str
    """The time zone of its narrowest windows, in which days are shown."""
    always_open: bool
    spans: tuple[PlannedSpan, ...]
    """Open times, freezes taken away."""
    unread: tuple[str, ...] = ()
    """Calendars that were never read: nothing is open until they are."""
    frozen: tuple[PlannedSpan, ...] = ()
    """When a freeze is in force there."""


class ExpectedRollout(Struct, frozen=True):
    """A rollout that is under way, or a plan that nobody has started."""

    name: str
    state: Literal["running", "planned"]
    pools: tuple[str, ...]
    start: datetime
    end: datetime | None
    """The expected end; None if it is not known."""


class WindowCalendar(Struct, frozen=True):
    """The days to come of some pools."""

    start: datetime
    end: datetime
    pools: tuple[OpenTimes, ...]
    freezes: tuple[Freeze, ...] = ()
    rollouts: tuple[ExpectedRollout, ...] = ()


def window_calendar(
    policy: Policy,
    pools: Sequence[Pool],
    places: Sequence[Place],
    start: datetime,
    end: datetime,
    rollouts: Iterable[ExpectedRollout] = (),
) -> WindowCalendar:
    """Returns the calendar of these pools in [start, end). `places`: the clusters of the fleet."""
    schedules = Schedules(policy)
    names = {pool.name for pool in pools}
    return WindowCalendar(
        start,
        end,
        tuple(times for pool in pools for times in _times_of(pool, schedules, places, start, end)),
        tuple(schedules.freezes.during(start, end)),
        tuple(
            each
            for each in rollouts
            if names & set(each.pools) and each.start < end and (each.end is None or each.end > start)
        ),
    )


def _times_of(
    pool: Pool, schedules: Schedules, places: Sequence[Place], start: datetime, end: datetime
) -> Iterator[OpenTimes]:
    """Yields the open times of the pool, clusters with the same times together."""
    own = [place for place in places if not pool.clusters or place.cluster in pool.clusters]
    if not schedules.by_place or not own:
        yield _times(pool, (), schedules.of(pool.name, "", ""), start, end)
        return
    together: dict[OpenTimes, list[str]] = {}
    for place in own:
        schedule = schedules.of(pool.name, place.cluster, place.site)
        together.setdefault(_times(pool, (), schedule, start, end), []).append(place.cluster)
    for times, clusters in together.items():
        yield replace(times, clusters=tuple(clusters))


def _times(
    pool: Pool, clusters: tuple[str, ...], schedule: Schedule, start: datetime, end: datetime
) -> OpenTimes:
    spans = () if schedule.unread else tuple(PlannedSpan(*span) for span in schedule.open_spans(start, end))
    frozen = tuple(
        PlannedSpan(max(start, freeze.begin), min(end, freeze.until))
        for freeze in schedule.freezes.during(start, end)
    )
    unread = tuple(schedule.unread)
    return OpenTimes(pool.name, clusters, schedule.zone, schedule.always_open, spans, unread, frozen)
