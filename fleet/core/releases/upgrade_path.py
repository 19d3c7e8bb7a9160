"""The releases that a machine has to boot, one after the other, on its way to a target: barriers are never skipped, and
no way leads away from a dead end."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType

from fleet.core.releases.release import Release, Stream, is_release


class ObstacleKind(StrEnum):
    """Names why a machine cannot go directly to a target."""

    BARRIER = "barrier"
    """It has to boot another release first."""
    DEAD_END = "dead-end"
    """No upgrade leads away from the release that it runs."""
    NO_WAY = "no-way"
    """The feed of the stream lists no way from the release that it runs to the target."""
    NOT_IN_STREAM = "not-in-stream"
    """The stream does not have the release that it runs, and its place before or behind barriers is not known."""


class PathObstacle(Struct, frozen=True):
    """Says what stands between a machine and its target."""

    kind: ObstacleKind
    next: str = ""
    """The release that the machine has to boot first; empty if there is none."""
    why: str = ""
    """The stream's reason for the barrier or the dead end; empty if the stream gives none."""


class UpgradePaths:
    """All ways of a stream that lead to one target. Barriers are about upgrades: a way back, to an older release of the
    stream, has neither hops nor obstacles."""

    def __init__(self, stream: Stream, target: Release) -> None:
        self._releases = stream.releases
        self._places = _places(stream)
        self._end = self._place(target)
        self._hops = {} if self._end is None else _hops(stream, self._end)
        self._guarded = self._end is not None and _is_guarded(stream, self._end)

    def obstacle(self, booted: Release | None) -> PathObstacle | None:
        """Returns what keeps a machine that runs `booted` from going directly to the target, or None. Nothing is known
        about a target that the stream does not have."""
        if self._end is None or not self._guarded:
            return None
        begin = None if booted is None else self._place(booted)
        if begin is None:
            return PathObstacle(ObstacleKind.NOT_IN_STREAM)
        if begin >= self._end:
            return None
        here = self._releases[begin]
        if isinstance(here.dead_end, str):
            return PathObstacle(ObstacleKind.DEAD_END, why=here.dead_end)
        if begin not in self._hops:
            return PathObstacle(ObstacleKind.NO_WAY)
        if self._hops[begin] == self._end:
            return None
        first = self._releases[self._hops[begin]]
        return PathObstacle(ObstacleKind.BARRIER, first.version, first.barrier or "")

    def route(self, booted: Release) -> tuple[Release, ...]:
        """Returns the releases that a machine that runs `booted` boots one after the other, the target last: as few as
        the stream allows, and of equally short ways the one over the newest releases.

        Empty if there is no way, if the machine runs the target or a newer release, or if the stream does not have
        both.
        """
        place = self._place(booted)
        if place is None or self._end is None:
            return ()
        found: list[Release] = []
        while place in self._hops:
            place = self._hops[place]
            found.append(self._releases[place])
        return tuple(found)

    def _place(self, wanted: Release) -> int | None:
        named = (self._places.get(name) for name in (*wanted.known_by, wanted.version))
        return next(
            (place for place in named if place is not None and is_release(wanted, self._releases[place])),
            None,
        )


def _places(stream: Stream) -> dict[str, int]:
    """Returns the places of the releases in the stream, by version and by each digest."""
    places: dict[str, int] = {}
    for place, release in enumerate(stream.releases):
        for name in (release.version, *release.known_by):
            places.setdefault(name, place)
    return places


def _is_guarded(stream: Stream, end: int) -> bool:
    """Reports whether it matters from which release a machine comes: there is a barrier or dead end before the target, or
    the target lists from where it is reached."""
    return stream.releases[end].upgrades_from is not UNSET or any(
        release.barrier is not UNSET or release.dead_end is not UNSET for release in stream.releases[:end]
    )


def _hops(stream: Stream, end: int) -> dict[int, int]:
    """Returns the next release on the way to the target, by place, for every older release with a way."""
    length = {end: 0}
    hops: dict[int, int] = {}
    for begin in range(end - 1, -1, -1):
        ways = [(length[to], -to) for to in _direct(stream, begin, end) if to in length]
        if ways:
            steps, newest = min(ways)
            hops[begin] = -newest
            length[begin] = steps + 1
    return hops


def _direct(stream: Stream, begin: int, end: int) -> Iterator[int]:
    """Yields the releases, up to the target, to which a machine on the release at `begin` may go directly."""
    here = stream.releases[begin]
    if here.dead_end is not UNSET:
        return
    for to in range(begin + 1, end + 1):
        release = stream.releases[to]
        if isinstance(release.upgrades_from, UnsetType) or here.version in release.upgrades_from:
            yield to
        if release.barrier is not UNSET:
            return
