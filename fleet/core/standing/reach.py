"""Finds which nodes of a pool a rollout of one release would take along: those that run an older release, and from
there may go to it directly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from fleet.core.releases.release import Release, Stream
from fleet.core.releases.upgrade_path import ObstacleKind, UpgradePaths
from fleet.core.releases.version_order import compared

Relation = Literal["older", "same", "newer", "unknown"]


class ReleaseReach(Struct, frozen=True):
    """Says what the nodes of a pool run, seen from one release of its stream. All but those in `direct` are left
    alone."""

    direct: Mapping[str, int] = {}
    """The nodes that would go to the release, by the version that they run."""
    barred: Mapping[str, int] = {}
    """The nodes that have to boot another release first, by that release."""
    stuck: int = 0
    """The nodes on an older release from which no way leads to this one."""
    ahead: int = 0
    """The nodes on a newer release."""
    unordered: int = 0
    """The nodes of which fleet cannot say whether their release is older, or which barriers are before them."""

    @property
    def behind(self) -> int:
        """Returns how many nodes would go to the release."""
        return sum(self.direct.values())


class ReleaseOrder:
    """The releases of a stream in their order, seen from what nodes run."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.places = {release.version: place for place, release in enumerate(stream.releases)}
        self._paths: dict[str, UpgradePaths] = {}

    def relation(self, running: str, version: str) -> Relation:
        """Returns whether what a node runs is older or newer than a version of the stream: by the order of the stream
        and by the numbers of the versions, and `older` only where neither contradicts. The empty text: not known what
        the node runs."""
        if running == version:
            return "same"
        if not running:
            return "unknown"
        by_numbers, places = compared(running, version), self.places
        if by_numbers == 1 or (running in places and places[running] > places[version]):
            return "newer"
        return "older" if running in places or by_numbers == -1 else "unknown"

    def reach(self, release: Release, running: Mapping[str, int]) -> ReleaseReach:
        """Returns what the nodes of a pool, by the version that they run, are to a release of the stream."""
        direct: dict[str, int] = {}
        barred: dict[str, int] = {}
        counts = {"newer": 0, "unknown": 0, "stuck": 0, "same": 0}
        for version, count in running.items():
            related = self.relation(version, release.version)
            if related != "older":
                counts[related] += count
                continue
            obstacle = self._path(release).obstacle(self._stream.find(version) or Release(version))
            match obstacle.kind if obstacle is not None else None:
                case None:
                    direct[version] = count
                case ObstacleKind.BARRIER if obstacle is not None:
                    barred[obstacle.next] = barred.get(obstacle.next, 0) + count
                case ObstacleKind.NOT_IN_STREAM:
                    counts["unknown"] += count
                case _:
                    counts["stuck"] += count
        return ReleaseReach(direct, barred, counts["stuck"], counts["newer"], counts["unknown"])

    def goes(self, running: str, release: Release) -> bool:
        """Returns whether a node that runs this version would go to the release."""
        return bool(self.reach(release, {running: 1}).direct)

    def _path(self, release: Release) -> UpgradePaths:
        if release.version not in self._paths:
            self._paths[release.version] = UpgradePaths(self._stream, release)
        return self._paths[release.version]
