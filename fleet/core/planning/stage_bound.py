"""Computes how long stages and gates take at least: stages go one after the other, and gates have times of their own.

What is certain counts: the order of stages, sites that go in turn, and the time for which a gate soaks or must be good. How
long an operator takes, and how long an answer is not good, is unknown and counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from fleet.core.planning.shortest_run import ShortestRun
from fleet.core.policy.gate import AnyGate, OperatorGate
from fleet.core.policy.policy import Policy
from fleet.core.policy.rollout_stage import RolloutStage
from fleet.core.text.durations import format_duration

Least = Callable[[Sequence[ShortestRun]], float]
"""Returns how many seconds these runs take at least, in any order and without stages, canaries and gates."""


class StagesBound(NamedTuple):
    seconds: float
    by: str
    """The stages and gates that count, and whose time is unknown; a text for users."""


def stages_bound(works: Sequence[ShortestRun], policy: Policy, least: Least) -> StagesBound | None:
    """Returns how long the runs take at least by their stages and gates. None: the policy has neither."""
    stages = policy.stages or ()
    gated = {pool.name: pool.gates for pool in policy.pools if pool.gates}
    if not works or not (stages or gated):
        return None
    by_stage: dict[int, list[ShortestRun]] = {}
    for work in works:
        by_stage.setdefault(_index(work, stages), []).append(work)
    seconds, behind, passed = 0.0, [], set[str]()
    *_, last = sorted(by_stage)
    for index, own in sorted(by_stage.items()):
        rest = {work.goal.pool for work in own if not work.goal.canary}
        ahead = {pool: gated[pool] for pool in sorted(rest - passed) if pool in gated}
        passed |= rest
        at_once = stages[index].sites_at_once if index < len(stages) else None
        seconds += max(_with_canaries(own, ahead, least), _by_sites(own, at_once, least))
        behind += [gate for gates in ahead.values() for gate in gates]
        if index < last and index < len(stages):
            seconds += _seconds(stages[index].gates)
            behind += stages[index].gates
    return StagesBound(seconds, _text(len(by_stage), behind))


def _index(work: ShortestRun, stages: Sequence[RolloutStage]) -> int:
    goal = work.goal
    matching = (
        index for index, stage in enumerate(stages) if stage.holds(goal.pool, goal.node.cluster, goal.site)
    )
    return next(matching, len(stages))


def _with_canaries(
    works: Sequence[ShortestRun], gates: dict[str, tuple[AnyGate, ...]], least: Least
) -> float:
    """Returns the seconds of the canaries, then of the gates behind them, then of the other nodes. `gates`: by pool."""
    head = max((work.whole for work in works if work.goal.canary), default=0.0)
    rest = [work for work in works if not work.goal.canary]
    found = [least(works)]
    if rest:
        found.append(head + least(rest))
    for pool, behind in gates.items():
        of_pool = [work for work in rest if work.goal.pool == pool]
        found.append(head + _seconds(behind) + least(of_pool))
    return max(found)


def _by_sites(works: Sequence[ShortestRun], at_once: int | None, least: Least) -> float:
    """Returns the seconds that the sites take if so many of them are in work at once. Canaries count for no site."""
    if at_once is None:
        return 0.0
    sites: dict[str, list[ShortestRun]] = {}
    for work in works:
        if not work.goal.canary:
            sites.setdefault(work.goal.site, []).append(work)
    return sum(least(own) for own in sites.values()) / at_once


def _seconds(gates: Iterable[AnyGate]) -> float:
    """Returns how long gates of one point take at least: they are asked at the same time."""
    return max((gate.for_seconds for gate in gates), default=0)


def _text(stages: int, gates: Sequence[AnyGate]) -> str:
    parts = [f"{stages} stages one after the other"] if stages > 1 else []
    certain = [f"{gate.name} ({format_duration(gate.for_seconds)})" for gate in gates if gate.for_seconds]
    parts += [f"gates {', '.join(dict.fromkeys(certain))}"] if certain else []
    operators = dict.fromkeys(gate.name for gate in gates if isinstance(gate, OperatorGate))
    text = " and ".join(parts) or "the canaries and the gates behind them"
    return f"{text}; how long an operator takes ({', '.join(operators)}) is unknown" if operators else text
