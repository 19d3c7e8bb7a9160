"""How far each stage of a rollout is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from fleet.core.objects.node import NodeRef
from fleet.core.policy.rollout_stage import RolloutStage
from fleet.core.rollout.goal import Goal
from fleet.core.rollout.steps import ENDED, Step


class StageProgress:
    """Counts the open runs of each stage and site. A site of a stage is in work from the first run that begins there
    until no run is open there."""

    def __init__(self, stages: Sequence[RolloutStage], goals: Iterable[Goal]) -> None:
        self.stages = tuple(stages)
        self._place: dict[NodeRef, tuple[int, str]] = {}
        self.first: dict[str, int] = {}
        """The index of the first stage that has nodes of a pool, by pool."""
        for goal in goals:
            index = self._index(goal)
            self._place[goal.node] = (index, goal.site)
            self.first[goal.pool] = min(index, self.first.get(goal.pool, index))
        self._open_at = Counter(self._place.values())
        self._begun: set[tuple[int, str]] = set()
        self.size = Counter(index for index, _ in self._place.values())
        """The number of runs of each stage, by its index. Nodes of no stage have the index after the last one."""
        self.open = Counter(self.size)
        """The number of runs of each stage that have not ended."""

    def _index(self, goal: Goal) -> int:
        for index, stage in enumerate(self.stages):
            if stage.holds(goal.pool, goal.node.cluster, goal.site):
                return index
        return len(self.stages)

    def index(self, node: NodeRef) -> int:
        """Returns the index of the node's stage."""
        return self._place[node][0]

    def place(self, node: NodeRef) -> tuple[int, str]:
        """Returns the index of the node's stage, and the site where that stage goes by sites; else no site."""
        index, site = self._place[node]
        limited = index < len(self.stages) and self.stages[index].sites_at_once is not None
        return index, site if limited else ""

    def count(self, node: NodeRef, step: Step) -> None:
        """Counts a run that has come to this step."""
        place = self._place[node]
        if step in ENDED:
            self.open[place[0]] -= 1
            self._open_at[place] -= 1
        elif step is not Step.PENDING:
            self._begun.add(place)

    def sites_in_work(self, index: int) -> tuple[str, ...]:
        """Returns the sites in which nodes of the stage are in work, sorted."""
        return tuple(sorted(site for at, site in self._begun if at == index and self._open_at[at, site] > 0))
