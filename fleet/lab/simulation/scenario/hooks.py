"""Draws hooks, for some of the histories. They are drawn apart from everything else of a seed."""

from __future__ import annotations

from random import Random

from msgspec import UNSET
from msgspec.structs import replace

from fleet.core.policy.hooks.hook import AnyHook, CommandHook, Hooks, JobHook
from fleet.core.policy.policy import Policy


def with_hooks(seed: int, policy: Policy) -> Policy:
    """Returns the policy with the hooks of the seed, if the seed has any."""
    rng = Random(f"hooks {seed}")
    if rng.random() >= 0.25:
        return policy
    pools = tuple(replace(pool, hooks=_hooks(rng, "node") or pool.hooks) for pool in policy.pools)
    stages = tuple(replace(stage, hooks=_hooks(rng, "stage")) for stage in policy.stages or ())
    rollout = _hooks(rng, "rollout") if rng.random() < 0.5 else UNSET
    return replace(policy, pools=pools, stages=stages or policy.stages, hooks=rollout)


def _hooks(rng: Random, of: str) -> Hooks:
    return Hooks(_list(rng, f"before-{of}"), _list(rng, f"after-{of}"))


def _list(rng: Random, name: str) -> tuple[AnyHook, ...]:
    return tuple(_hook(rng, f"{name}-{number}") for number in range(rng.choice([0, 1, 1, 2])))


def _hook(rng: Random, name: str) -> AnyHook:
    attempts = rng.choice([1, 1, 3])
    if rng.random() < 0.3:
        return JobHook(name=name, template="{}", namespace="ops", attempts=attempts)
    return CommandHook(
        name=name,
        command=(name,),
        attempts=attempts,
        idempotent=rng.random() < 0.5,
        on_failure=rng.choice(["hold", "hold", "continue"]),
    )
