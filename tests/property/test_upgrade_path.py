"""The way from one release to another, for any stream, compared with a search that tries every way."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from fleet.core.releases.release import Release, Stream
from fleet.core.releases.upgrade_path import ObstacleKind, UpgradePaths


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    releases = []
    for number in range(draw(st.integers(1, 8))):
        sources: tuple[str, ...] | UnsetType = UNSET
        if number and draw(st.booleans()):
            sources = tuple(
                draw(st.sets(st.sampled_from([str(older) for older in range(number)]), min_size=1))
            )
        mark = draw(st.sampled_from(["", "", "barrier", "dead end"]))
        releases.append(
            Release(
                str(number),
                barrier="keys" if mark == "barrier" else UNSET,
                dead_end="broken" if mark == "dead end" else UNSET,
                upgrades_from=sources,
            )
        )
    return Stream("s", tuple(releases))


def allowed(stream: Stream, way: tuple[int, ...]) -> bool:
    """Whether each hop of a way, given by indexes, is allowed by itself."""
    for begin, to in pairwise(way):
        here, there = stream.releases[begin], stream.releases[to]
        if here.dead_end is not UNSET or any(
            between.barrier is not UNSET for between in stream.releases[begin + 1 : to]
        ):
            return False
        if not isinstance(there.upgrades_from, UnsetType) and here.version not in there.upgrades_from:
            return False
    return True


def every_way(stream: Stream, begin: int, end: int) -> list[tuple[int, ...]]:
    between = range(begin + 1, end)
    ways = (
        (begin, *middle, end) for count in range(len(between) + 1) for middle in combinations(between, count)
    )
    return [way for way in ways if allowed(stream, way)]


@given(streams(), st.data())
def test_route_is_a_shortest_allowed_way(stream: Stream, data: st.DataObject) -> None:
    numbers = st.integers(0, len(stream.releases) - 1)
    begin, end = data.draw(numbers), data.draw(numbers)
    found = UpgradePaths(stream, Release(str(end))).route(Release(str(begin)))
    ways = every_way(stream, begin, end) if begin < end else []
    if not ways:
        assert found == ()
        return
    way = (begin, *(int(release.version) for release in found))
    assert allowed(stream, way) and way[-1] == end
    assert len(way) == min(map(len, ways))


@given(streams(), st.data())
def test_obstacle_is_there_exactly_where_the_target_is_not_the_first_hop(
    stream: Stream, data: st.DataObject
) -> None:
    numbers = st.integers(0, len(stream.releases) - 1)
    begin, end = data.draw(numbers), data.draw(numbers)
    found = UpgradePaths(stream, Release(str(end))).obstacle(Release(str(begin)))
    if begin >= end:
        assert found is None
        return
    way = UpgradePaths(stream, Release(str(end))).route(Release(str(begin)))
    assert (found is None) is (len(way) == 1)
    if found is not None:
        assert found.next == (way[0].version if way else "")
        assert (found.kind is ObstacleKind.BARRIER) is bool(way)


@given(streams())
def test_dead_end_is_no_target_by_itself(stream: Stream) -> None:
    newest = stream.newest
    assert newest is None or newest.dead_end is UNSET
    assert newest is not None or all(release.dead_end is not UNSET for release in stream.releases)
