"""Faults of controllers, their database, the networks to the clusters, clocks; and users' commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from fleet.core.policy.times.calendar_events import CalendarVersion
from fleet.core.policy.times.freeze import Freeze, FreezeScope
from fleet.lab.simulation.builders import START
from fleet.lab.simulation.network import LATEST
from fleet.lab.simulation.scenario.policy import draw_policy
from fleet.lab.simulation.world import World


def network_fault(kind: str, low: float, high: float) -> Callable[[World, Random], str]:
    def begin(world: World, rng: Random) -> str:
        cluster, length = rng.choice(list(world.networks)), rng.uniform(low, high)
        world.networks[cluster].begin(kind, world.at + length)
        return f"{cluster} for {length:.0f} s"

    return begin


def delay_events(world: World, rng: Random) -> str:
    cluster, length = rng.choice(list(world.networks)), rng.uniform(10, 300)
    kinds = rng.sample(["Node", "Pod", "Budget", "Workload", "Machine"], rng.randint(1, 3))
    delay = rng.choice([1.0, LATEST])
    world.networks[cluster].late = dict.fromkeys(kinds, delay)
    world.networks[cluster].begin("late events", world.at + length)
    return f"{cluster}: {', '.join(kinds)} by up to {delay:.0f} s, for {length:.0f} s"


def expire_watches(world: World, rng: Random) -> str:
    cluster = rng.choice(list(world.networks))
    wires = [controller.wires[cluster] for controller in world.controllers if controller.wires[cluster].heard]
    for wire in wires:
        wire.forget(world.models[cluster].snapshot(START), world.at)
    return cluster if wires else ""


def lose_cluster(world: World, rng: Random) -> str:
    cluster, length = rng.choice(list(world.networks)), rng.uniform(5, 400)
    world.lose(cluster, world.at + length)
    return f"{cluster} for {length:.0f} s"


def kill_leader(world: World, rng: Random) -> str:
    leader = world.leader
    if leader is None or leader.stopped:
        return ""
    world.kill(leader, "between turns")
    return leader.name


def kill_between_actions(world: World, rng: Random) -> str:
    world.kill_before = rng.choice([0, 0, 1, 1, 2, 3])
    return f"after {world.kill_before} actions"


def kill_before_journal(world: World, rng: Random) -> str:
    world.kill_before = -1
    return "at the next decision"


def stop_leader(world: World, rng: Random) -> str:
    world.kill_before, world.doomed_to_stop = rng.choice([0, 1, 2]), True
    return f"after {world.kill_before} actions"


def start_second_leader(world: World, rng: Random) -> str:
    if world.leader is None or world.journal.closed:
        return ""
    world.take_over()
    return "and the first goes on"


def close_database(world: World, rng: Random) -> str:
    """Makes the database refuse everything for a while."""
    length = rng.uniform(1, 200)
    world.journal.closed = rng.choice(["the database is locked", "the disk is full", "the database is gone"])

    def reopen() -> None:
        world.journal.closed = ""

    world.later(world.at + length, reopen)
    return f"{world.journal.closed}, for {length:.0f} s"


def hide_commit(world: World, rng: Random) -> str:
    world.journal.hides_commit = True
    return "at its next append"


def user_command(kind: str) -> Callable[[World, Random], str]:
    """Returns the fault by which a user gives this command."""

    def command(world: World, rng: Random) -> str:
        active = [rollout.id for rollout in world.checker.rollouts.values() if not rollout.ended]
        if not active or world.journal.closed:
            return ""
        world.command(active[-1], kind)
        return active[-1]

    return command


def change_policy(world: World, rng: Random) -> str:
    """Edits the policy file, which counts from the next rollout on."""
    groups = world.policy.quorums
    world.policy = replace(draw_policy(rng, [pool.name for pool in world.policy.pools]), quorums=groups)
    return ", ".join(f"{pool.name}: {pool.limits.max_unavailable}" for pool in world.policy.pools)


def change_freezes(world: World, rng: Random) -> str:
    """Publishes freezes for a rollout that is under way, or lifts those that it has, as a controller does when the policy
    has changed."""
    active = [rollout for rollout in world.checker.rollouts.values() if not rollout.ended]
    if not active or world.journal.closed:
        return ""
    freezes = tuple(_a_freeze(world, rng) for _ in range(rng.choice([0, 1, 1, 2])))
    version = CalendarVersion(f"{rng.getrandbits(256):064x}", world.now)
    detail = {"freezes": msgspec.to_builtins(freezes), "policy": msgspec.to_builtins(version)}
    world.command(active[-1].id, "freezes", detail=detail)
    times = (f"{each.begin:%H:%M} to {each.until:%H:%M}{each.where}" for each in freezes)
    return f"{active[-1].id}: {', '.join(times) or 'none'}"


def _a_freeze(world: World, rng: Random) -> Freeze:
    begin = world.now + timedelta(seconds=rng.uniform(-600, 600))
    until = begin + timedelta(seconds=rng.uniform(300, 7200))
    pools = tuple(rng.sample([pool.name for pool in world.policy.pools], 1))
    scope = FreezeScope(pools=pools) if rng.random() < 0.3 else UNSET
    return Freeze("night call", begin, until, scope)


def release_run(world: World, rng: Random) -> str:
    """Releases any run: a user may be mistaken."""
    open_rollouts = [rollout for rollout in world.checker.rollouts.values() if not rollout.ended]
    if not open_rollouts or world.journal.closed:
        return ""
    node = rng.choice(list(open_rollouts[-1].runs))
    world.command(open_rollouts[-1].id, "release", node)
    return node


def change_clock(sign: int) -> Callable[[World, Random], str]:
    """Returns the fault that sets the clock forward or back."""

    def jump(world: World, rng: Random) -> str:
        seconds = sign * rng.uniform(20, 1800)
        world.skew += seconds
        for controller in world.controllers:
            controller.wake = world.now
        return f"{seconds:+.0f} s"

    return jump
