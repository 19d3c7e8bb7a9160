"""Holds a node that may not go directly to a release: another one has to be booted before, or none leads there."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import Release
from fleet.core.releases.upgrade_path import ObstacleKind, UpgradePaths

REASONS: Mapping[ObstacleKind, Reason] = {
    ObstacleKind.BARRIER: Reason.BARRIER,
    ObstacleKind.DEAD_END: Reason.DEAD_END,
    ObstacleKind.NO_WAY: Reason.NO_WAY,
    ObstacleKind.NOT_IN_STREAM: Reason.NOT_IN_STREAM,
}


def held(booted: Release | None, release: Release, paths: UpgradePaths) -> Held | None:
    """Returns what holds a node that may not go directly to the release, or None. `paths` lead to that release."""
    obstacle = paths.obstacle(booted)
    if obstacle is None:
        return None
    runs = "" if booted is None else booted.version or booted.pin
    return Held(
        REASONS[obstacle.kind],
        runs or "an unknown release",
        {
            "release": release.version,
            "next": obstacle.next,
            "why": f": {obstacle.why}" if obstacle.why else "",
        },
    )
