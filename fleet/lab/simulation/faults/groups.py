"""Faults of quorum groups and their members."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from fleet.core.quorum.quorum import Member
from fleet.lab.simulation.builders import START
from fleet.lab.simulation.world import World
from fleet.model.model import Model

LASTING = 5000.0
"""Seconds until a user fixes the member."""


def on_group(act: Callable[[World, Model, str, Member, Random], str]) -> Callable[[World, Random], str]:
    """Wraps a fault of one member of a group."""

    def choose(world: World, rng: Random) -> str:
        groups = [(model, name) for model in world.models.values() for name in model.quorums.groups]
        if not groups:
            return ""
        model, name = rng.choice(groups)
        member = rng.choice(model.quorums.groups[name].members)
        return act(world, model, name, member, rng)

    return choose


def member_down(world: World, model: Model, name: str, member: Member, rng: Random) -> str:
    """Stops the member's process; the node stays."""
    length = rng.choice([rng.uniform(5, 600), LASTING])
    model.quorums.change(name, member.name, reachable=False, leader=False)
    world.later(world.at + length, lambda: member_up(model, name, member.name))
    return f"{name} {member.name} for {length:.0f} s"


def member_up(model: Model, name: str, member: str) -> None:
    """Starts the member again if its node is up."""
    current = next(candidate for candidate in model.quorums.groups[name].members if candidate.name == member)
    up = {node.name for node in model.snapshot(START).nodes if node.ready is True}
    if current.node is None or current.node.name in up:
        model.quorums.rejoined(name, member)


def member_lags(world: World, model: Model, name: str, member: Member, rng: Random) -> str:
    length = rng.uniform(5, 400)
    model.quorums.change(name, member.name, index=1)
    world.later(world.at + length, lambda: model.quorums.caught_up(name, member.name))
    return f"{name} {member.name} for {length:.0f} s"


def alarm(world: World, model: Model, name: str, member: Member, rng: Random) -> str:
    length = rng.uniform(5, 600)
    model.quorums.change(name, member.name, alarms=("NOSPACE",))
    world.later(world.at + length, lambda: model.quorums.change(name, member.name, alarms=()))
    return f"{name} {member.name} for {length:.0f} s"


def leader_moves(world: World, model: Model, name: str, member: Member, rng: Random) -> str:
    if not member.reachable or not member.voter:
        return ""
    model.quorums.lead(name, member.name)
    return f"{name} to {member.name}"


def group_unread(world: World, model: Model, name: str, member: Member, rng: Random) -> str:
    length = rng.choice([rng.uniform(5, 600), LASTING])
    model.quorums.hide(name, "connection refused")
    world.later(world.at + length, lambda: model.quorums.hide(name, ""))
    return f"{name} for {length:.0f} s"


def backup_full(world: World, model: Model, name: str, member: Member, rng: Random) -> str:
    """Makes snapshots of the group fail for a while."""
    length = rng.uniform(5, 100)
    model.quorums.full = "no space left on device"

    def empty() -> None:
        model.quorums.full = ""

    world.later(world.at + length, empty)
    return f"{model.cluster} for {length:.0f} s"
