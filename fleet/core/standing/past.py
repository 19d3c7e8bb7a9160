"""Rollouts as standing policies remember them: where each went, and how it ended there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from fleet.core.rollout.steps import Step

if TYPE_CHECKING:
    from fleet.core.rollout.rollout import Rollout
    from fleet.core.rollout.run import Run

Place = tuple[str, str, str]
"""A pool, a cluster and a site."""
InPlace = Callable[[str, str, str], bool]
"""Reports whether a pool, cluster and site are meant."""


class PastPart(Struct, frozen=True):
    """The nodes of a rollout in one place."""

    pool: str
    cluster: str
    site: str
    done: int = 0
    open: int = 0
    """Runs that have not ended."""
    failed: int = 0
    """Failed runs that no operator has released."""
    last_done: datetime | None = None
    """When the last node of the place was proven."""
    came_from: frozenset[str] = frozenset()
    """The versions that the nodes ran before."""


class PastRollout(Struct, frozen=True):
    """A rollout, whether it has ended or not."""

    id: str
    version: str
    state: str
    """A `RolloutState`."""
    active: bool
    started_at: datetime
    by: str
    why: str = ""
    state_by: str = ""
    parts: tuple[PastPart, ...] = ()

    @classmethod
    def of(cls, rollout: Rollout) -> PastRollout:
        """Returns the rollout as it is now."""
        places: dict[Place, list[Run]] = {}
        for run in rollout.runs.values():
            place = (run.goal.pool, run.goal.node.cluster, run.goal.site)
            places.setdefault(place, []).append(run)
        return cls(
            id=rollout.id,
            version=rollout.release.version,
            state=str(rollout.state),
            active=rollout.active,
            started_at=rollout.started_at,
            by=rollout.by,
            why=rollout.why,
            state_by=rollout.state_by,
            parts=tuple(_part(place, runs) for place, runs in sorted(places.items())),
        )

    def inside(self, wanted: InPlace) -> PastPart | None:
        """Returns the nodes in all wanted places together; None where the rollout has none there."""
        found = [part for part in self.parts if wanted(part.pool, part.cluster, part.site)]
        if not found:
            return None
        times = [part.last_done for part in found if part.last_done is not None]
        return PastPart(
            pool=found[0].pool,
            cluster=found[0].cluster,
            site=found[0].site,
            done=sum(part.done for part in found),
            open=sum(part.open for part in found),
            failed=sum(part.failed for part in found),
            last_done=max(times, default=None),
            came_from=frozenset[str]().union(*(part.came_from for part in found)),
        )


def _part(place: Place, runs: Iterable[Run]) -> PastPart:
    runs = list(runs)
    done = [run for run in runs if run.step is Step.DONE]
    times = [run.since for run in done if run.since is not None]
    pool, cluster, site = place
    return PastPart(
        pool,
        cluster,
        site,
        done=len(done),
        open=sum(not run.ended for run in runs),
        failed=sum(run.step is Step.FAILED and run.slot for run in runs),
        last_done=max(times, default=None),
        came_from=frozenset(run.goal.from_version for run in runs if run.step is Step.DONE),
    )
