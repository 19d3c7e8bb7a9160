"""Ways over the barriers of Fedora CoreOS, as its stream stable listed them on 2026-07-21."""

from __future__ import annotations

import pytest

from fleet.core.releases.release import Release, Stream
from fleet.core.releases.upgrade_path import ObstacleKind, PathObstacle, UpgradePaths

KEYS = "https://docs.fedoraproject.org/en-US/fedora-coreos/update-barrier-signing-keys/"
STABLE = Stream(
    "stable",
    (
        Release("42.20250803.3.0"),
        Release("43.20260217.3.1", barrier="https://github.com/coreos/fedora-coreos-tracker/issues/2112"),
        Release("43.20260301.3.0"),
        Release("43.20260413.3.2", barrier=KEYS),
        Release("44.20260621.3.1"),
        Release("44.20260707.3.1"),
    ),
)
DEAD = Stream(
    "next",
    (
        Release("37.20221111.1.0"),
        Release("38.20230310.1.0", dead_end="https://github.com/coreos/fedora-coreos-tracker/issues/1441"),
        Release("38.20230322.1.0"),
    ),
)
CINCINNATI = Stream(
    "graph",
    (Release("1"), Release("2"), Release("3", upgrades_from=("2",)), Release("4", upgrades_from=("1",))),
)


@pytest.mark.parametrize(
    ("stream", "begin", "end", "way"),
    [
        (
            STABLE,
            "42.20250803.3.0",
            "44.20260707.3.1",
            ("43.20260217.3.1", "43.20260413.3.2", "44.20260707.3.1"),
        ),
        (STABLE, "43.20260301.3.0", "44.20260707.3.1", ("43.20260413.3.2", "44.20260707.3.1")),
        (STABLE, "43.20260413.3.2", "44.20260707.3.1", ("44.20260707.3.1",)),
        (STABLE, "44.20260621.3.1", "44.20260707.3.1", ("44.20260707.3.1",)),
        (STABLE, "44.20260707.3.1", "44.20260621.3.1", ()),
        (STABLE, "44.20260707.3.1", "44.20260707.3.1", ()),
        (STABLE, "41.0", "44.20260707.3.1", ()),
        (DEAD, "38.20230310.1.0", "38.20230322.1.0", ()),
        (DEAD, "37.20221111.1.0", "38.20230322.1.0", ("38.20230322.1.0",)),
        (DEAD, "37.20221111.1.0", "38.20230310.1.0", ("38.20230310.1.0",)),
        (CINCINNATI, "1", "3", ("2", "3")),
        (CINCINNATI, "1", "4", ("4",)),
        (CINCINNATI, "2", "4", ()),
    ],
)
def test_route(stream: Stream, begin: str, end: str, way: tuple[str, ...]) -> None:
    assert (
        tuple(release.version for release in UpgradePaths(stream, Release(end)).route(Release(begin))) == way
    )


@pytest.mark.parametrize(
    ("stream", "booted", "target", "found"),
    [
        (STABLE, Release("44.20260621.3.1"), "44.20260707.3.1", None),
        (
            STABLE,
            Release("43.20260301.3.0"),
            "44.20260707.3.1",
            PathObstacle(ObstacleKind.BARRIER, "43.20260413.3.2", KEYS),
        ),
        (STABLE, Release("44.20260707.3.1"), "42.20250803.3.0", None),
        (STABLE, Release("41.0"), "44.20260707.3.1", PathObstacle(ObstacleKind.NOT_IN_STREAM)),
        (STABLE, None, "44.20260707.3.1", PathObstacle(ObstacleKind.NOT_IN_STREAM)),
        (STABLE, Release("41.0"), "42.20250803.3.0", None),
        (STABLE, Release("41.0"), "45.0", None),
        (
            DEAD,
            Release("38.20230310.1.0"),
            "38.20230322.1.0",
            PathObstacle(
                ObstacleKind.DEAD_END, why="https://github.com/coreos/fedora-coreos-tracker/issues/1441"
            ),
        ),
        (CINCINNATI, Release("1"), "3", PathObstacle(ObstacleKind.BARRIER, "2")),
        (CINCINNATI, Release("2"), "4", PathObstacle(ObstacleKind.NO_WAY)),
    ],
)
def test_obstacle(stream: Stream, booted: Release | None, target: str, found: PathObstacle | None) -> None:
    assert UpgradePaths(stream, Release(target)).obstacle(booted) == found
