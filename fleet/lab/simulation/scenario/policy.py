"""Draws the policy: pools with their limits, drain rules and windows; freezes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time, timedelta
from random import Random

from msgspec.structs import replace

from fleet.core.objects.selector import Selector
from fleet.core.policy.drain_rule import DrainBehaviour as Do
from fleet.core.policy.drain_rule import PodRule, PodRuleTerm
from fleet.core.policy.policy import Amount, DrainRule, Limits, Policy, Pool, RebootRule, StageRule
from fleet.core.policy.times.freeze import Freeze
from fleet.core.policy.times.window import Window
from fleet.lab.simulation.builders import START, a_policy, a_pool


def draw_policy(rng: Random, pools: Sequence[str]) -> Policy:
    """Draws a policy with these pools."""
    return replace(
        a_policy(*(_pool(rng, name) for name in pools)), limits=_fleet_limits(rng), freezes=_freezes(rng)
    )


def _pool(rng: Random, name: str) -> Pool:
    def amount(low: int, high: int) -> Amount:
        return (
            Amount(rng.choice([10, 25, 40]), True) if rng.random() < 0.2 else Amount(rng.randint(low, high))
        )

    def optional_amount(low: int, high: int) -> Amount | None:
        return amount(low, high) if rng.random() < 0.4 else None

    limits = Limits(amount(1, 4), optional_amount(1, 2), optional_amount(1, 3), optional_amount(1, 3))
    return a_pool(
        name,
        limits=limits,
        drain=DrainRule(
            unmanaged=rng.choice(["hold", "hold", "evict"]),
            local_data=rng.choice(["hold", "evict", "evict"]),
            host_path=rng.choice(["hold", "evict", "evict"]),
            no_room=rng.choice(["hold", "hold", "evict"]),
            timeout_seconds=rng.choice([300, 900]),
            rules=_rules(name, limits),
        ),
        stage=StageRule(concurrency=rng.randint(1, 4), timeout_seconds=400),
        reboot=RebootRule(timeout_seconds=400),
        soak_seconds=rng.choice([0, 30, 120]),
        failure_limit=rng.choice([1, 2, 3, Amount(30, True)]),
        windows=_windows(rng),
    )


def _rules(pool: str, limits: Limits) -> tuple[PodRule, ...]:
    """Draws drain rules of some pools. They are drawn by the pool's own values, so that older seeds still have
    the same histories otherwise."""
    rng = Random(f"rules {pool} {limits}")
    if rng.random() >= 0.4:
        return ()
    do: Do = rng.choice(["wait", "ask", "ask", "ask", "ask", "skip", "hold", "evict"])
    term = PodRuleTerm(selector=Selector({"app": f"app-{rng.randint(0, 2)}"}))
    return (
        PodRule("drawn", do, (term,), order=rng.choice([-1, 0, 1]), timeout_seconds=rng.choice([None, 60])),
    )


def _windows(rng: Random) -> tuple[Window, ...]:
    """Draws windows. Histories begin on a Monday at 09:00 UTC."""
    if rng.random() < 0.75:
        return ()
    minutes = rng.choice([10, 20, 60])
    begins = [time(9, rng.randint(0, 20)), time(rng.randint(10, 20), 0)]
    return tuple(Window(tuple(range(7)), begin, _later(begin, minutes)) for begin in begins)


def _later(begin: time, minutes: int) -> time:
    total = begin.hour * 60 + begin.minute + minutes
    return time(total // 60, total % 60)


def _freezes(rng: Random) -> tuple[Freeze, ...]:
    if rng.random() < 0.85:
        return ()
    begin = START + timedelta(seconds=rng.uniform(-600, 900))
    return (Freeze("stocktaking", begin, begin + timedelta(hours=rng.randint(1, 6))),)


def _fleet_limits(rng: Random) -> Limits:
    return Limits(max_unavailable=Amount(rng.randint(1, 4)) if rng.random() < 0.3 else None)
