"""Computes how far each stage of a rollout is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from fleet.core.objects.node import NodeRef
from fleet.core.policy.rollout_stage import RolloutStage
from fleet.core.rollout.goal import Goal
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import HAS_SLOT, Step

Place = tuple[int, str]
"""The index of a stage, and a site."""


class StageProgress:
    """Counts the open runs of each stage, and the sites that are in work.

    A site of a stage is in work from its first run that begins until no run is open there. Canaries count for no site:
    they go first, in whatever site they are.
    """

    def __init__(self, stages: Sequence[RolloutStage], goals: Iterable[Goal]) -> None:
        self.stages = tuple(stages)
        self._place: dict[NodeRef, Place] = {goal.node: (self._index(goal), goal.site) for goal in goals}
        self._open_at = Counter(self._place.values())
        self._begun_at: Counter[Place] = Counter()
        self.size = Counter(index for index, _ in self._place.values())
        """The number of runs of each stage, by its index. Nodes of no stage have the index after the last one."""
        self.open = Counter(self.size)
        """The number of runs of each stage that have not ended."""
        self._open_of_pool = Counter((goal.pool, self._place[goal.node][0]) for goal in goals)

    def _index(self, goal: Goal) -> int:
        for index, stage in enumerate(self.stages):
            if stage.holds(goal.pool, goal.node.cluster, goal.site):
                return index
        return len(self.stages)

    def index(self, node: NodeRef) -> int:
        """Returns the index of the node's stage."""
        return self._place[node][0]

    def place(self, node: NodeRef) -> Place:
        """Returns the index of the node's stage, and the site where that stage goes by sites; else no site."""
        index, site = self._place[node]
        limited = index < len(self.stages) and self.stages[index].sites_at_once is not None
        return index, site if limited else ""

    def change(self, before: Run, after: Run) -> None:
        """Counts a run that has another step now, or has become a canary or stepped down."""
        place = self._place[after.node]
        opened = (not after.ended) - (not before.ended)
        self.open[place[0]] += opened
        self._open_at[place] += opened
        self._open_of_pool[after.goal.pool, place[0]] += opened
        self._begun_at[place] += _begun(after) - _begun(before)

    def is_open(self, pool: str, index: int) -> bool:
        """Returns whether the pool has an open run in this stage or in one before."""
        return any(self._open_of_pool[pool, earlier] for earlier in range(index + 1))

    def sites_in_work(self, index: int) -> tuple[str, ...]:
        """Returns the sites in which nodes of the stage are in work, sorted."""
        return tuple(
            sorted(
                site
                for (at, site), begun in self._begun_at.items()
                if at == index and begun and self._open_at[at, site]
            )
        )


def _begun(run: Run) -> bool:
    """Returns whether the run is no canary, and is in work or has had its slot."""
    in_work = run.step in (Step.STAGE, Step.STAGED, *HAS_SLOT)
    return not run.goal.canary and (in_work or run.begun is not None)
