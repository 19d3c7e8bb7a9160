"""Draws stages and gates, for some of the histories. They are drawn apart from everything else of a seed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from msgspec.structs import replace

from fleet.core.policy.gate import AnyGate, CommandGate, HttpGate, OperatorGate, SoakGate, WorkloadsGate
from fleet.core.policy.policy import Policy, Pool
from fleet.core.policy.rollout_stage import RolloutStage
from fleet.core.rollout.goal import Goal


def with_stages(seed: int, policy: Policy, clusters: Sequence[str], sites: Sequence[str]) -> Policy:
    """Returns the policy with the stages and gates of the seed, if the seed has any."""
    rng = Random(f"stages {seed}")
    if rng.random() >= 0.3:
        return policy
    pools = tuple(_with_gates(rng, pool) for pool in policy.pools)
    if rng.random() < 0.3:
        return _with_workloads(seed, replace(policy, pools=pools))
    first = RolloutStage(
        "first",
        pools=(rng.choice(policy.pools).name,) if rng.random() < 0.4 else (),
        clusters=(rng.choice(clusters),) if rng.random() < 0.6 else (),
        sites=(rng.choice(sites),) if rng.random() < 0.3 else (),
        sites_at_once=1 if rng.random() < 0.5 else None,
        gates=_gates(rng, "first"),
    )
    rest = RolloutStage("rest", sites_at_once=1 if rng.random() < 0.5 else None, gates=_gates(rng, "rest"))
    staged = replace(policy, pools=pools, stages=(first, rest) if rng.random() < 0.7 else (first,))
    return _with_workloads(seed, staged)


def _with_workloads(seed: int, policy: Policy) -> Policy:
    """Adds a gate about workloads to the first stage or the first pool, for half of the seeds."""
    rng = Random(f"as ready {seed}")
    if rng.random() < 0.5:
        return policy
    gate = WorkloadsGate(
        name="as-ready", for_seconds=rng.choice([0, 60]), timeout_seconds=rng.choice([300, 3600])
    )
    if policy.stages and rng.random() < 0.5:
        first, *rest = policy.stages
        return replace(policy, stages=(replace(first, gates=(*first.gates, gate)), *rest))
    pool, *others = policy.pools
    return replace(policy, pools=(replace(pool, gates=(*(pool.gates or ()), gate)), *others))


def stage_index(policy: Policy, goal: Goal) -> int:
    """Returns the index of the goal's stage."""
    stages = policy.stages or ()
    matching = (
        index for index, stage in enumerate(stages) if stage.holds(goal.pool, goal.node.cluster, goal.site)
    )
    return next(matching, len(stages))


def _with_gates(rng: Random, pool: Pool) -> Pool:
    gates = _gates(rng, pool.name) if rng.random() < 0.6 else ()
    return replace(pool, gates=gates) if gates else pool


def _gates(rng: Random, name: str) -> tuple[AnyGate, ...]:
    seconds = rng.choice([0, 60, 300])
    kinds: list[AnyGate] = [
        SoakGate(name=f"{name}-soak", for_seconds=rng.choice([30, 600])),
        OperatorGate(name=f"{name}-operator"),
        CommandGate(
            name=f"{name}-command", command=("check",), for_seconds=seconds, bad=rng.choice([1, 2, 5])
        ),
        HttpGate(name=f"{name}-http", url="http://shop/", for_seconds=seconds, timeout_seconds=900),
    ]
    return tuple(rng.sample(kinds, rng.choice([0, 1, 1, 2])))
