"""Faults of the machines under the nodes, and of their agents."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from fleet.core.objects.node import Node
from fleet.core.releases.release import built_for
from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import START
from fleet.lab.simulation.faults.nodes import runs
from fleet.lab.simulation.world import World
from fleet.model.behaviour import Failure, SpreadLength
from fleet.model.model import Model

NEVER = 1e8
"""Seconds."""


def boot(world: World, model: Model, node: Node, rng: Random) -> str:
    """Upgrades the machine by hand, as a user does."""
    waiting = {run.node.name for run in runs(world) if run.waiting and run.node.cluster == model.cluster}
    machines = [machine for machine in model.snapshot(START).machines if machine.name in waiting]
    if not machines:
        return ""
    machine = rng.choice(machines)
    under = next((node for node in model.snapshot(START).nodes if node.name == machine.name), None)
    release = built_for(world.scenario.release, under.architecture if under is not None else "")
    if release is None:
        return ""
    model.stranger.put_machine(replace(machine, booted=release, staged=None))
    return machine.name


def unstage(world: World, model: Model, node: Node, rng: Random) -> str:
    """Removes the staged image, as a user does."""
    drained = {run.node.name for run in runs(world) if run.step in (Step.STAGED, Step.DRAIN, Step.CORDON)}
    machines = [machine for machine in model.snapshot(START).machines if machine.name in drained]
    if not machines:
        return ""
    machine = rng.choice(machines)
    model.stranger.put_machine(replace(machine, staged=None))
    return machine.name


def agent_dies(world: World, model: Model, node: Node, rng: Random) -> str:
    """Makes the next staging on that node never end, or take very long."""
    length = rng.choice([NEVER, 350.0])
    world.behave(model, stage=SpreadLength(10, 90, {node.name: length}))
    return f"{node.name}: staging takes {length:.0f} s"


def fail(world: World, model: Model, node: Node, rng: Random) -> str:
    failures: list[Failure] = ["never-back", "old-version", "old-version", "stage-fails", "not-ready"]
    failure = rng.choice(failures)
    world.behave(model, failures={**world.behaviours[model.cluster].failures, node.name: failure})
    return f"{node.name}: {failure}"
