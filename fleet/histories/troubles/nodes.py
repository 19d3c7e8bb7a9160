"""Nodes: cordoned, deleted, replaced, not Ready, labelled anew."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from fleet.core.node import ZONE_LABEL, Node
from fleet.core.rollout import Run
from fleet.histories.builders import START, a_machine
from fleet.histories.world import World
from fleet.sim.model import Model


def on_node(act: Callable[[World, Model, Node, Random], str]) -> Callable[[World, Random], str]:
    """Rather one that is being worked on than any."""

    def choose(world: World, rng: Random) -> str:
        model = rng.choice(list(world.models.values()))
        nodes = model.snapshot(START).nodes
        busy = {run.node.name for run in runs(world) if run.touched and not run.ended}
        some = [node for node in nodes if node.name in busy] if rng.random() < 0.6 else []
        if not nodes:
            return ""
        return act(world, model, rng.choice(some or list(nodes)), rng)

    return choose


def runs(world: World) -> list[Run]:
    """As the leader knows them."""
    leader = world.leader
    return [run for each in leader.engine.rollouts.values() for run in each.runs.values()] if leader else []


def cordon(world: World, model: Model, node: Node, rng: Random) -> str:
    world.checker.cordoned_by_a_person(model.cluster, node.name)
    model.stranger.cordon(node.name)
    return node.name


def uncordon(world: World, model: Model, node: Node, rng: Random) -> str:
    world.checker.uncordoned_by_a_person(model.cluster, node.name)
    model.stranger.uncordon(node.name)
    return node.name


def delete_node(world: World, model: Model, node: Node, rng: Random) -> str:
    world.checker.uncordoned_by_a_person(model.cluster, node.name)
    model.stranger.delete_node(node.name)
    return node.name


def replace_node(world: World, model: Model, node: Node, rng: Random) -> str:
    world.checker.uncordoned_by_a_person(model.cluster, node.name)
    other = Node(
        node.name,
        f"{node.uid}-again",
        labels=node.labels,
        boot_id=f"{node.boot_id}-again",
        os_image=node.os_image,
        kernel=node.kernel,
        kubelet=node.kubelet,
        allocatable=node.allocatable,
    )
    model.stranger.add_node(other, a_machine(other))
    return node.name


def unready(world: World, model: Model, node: Node, rng: Random) -> str:
    length = rng.uniform(2, 400)
    _toggle(world, model, node, False, length)
    return f"{node.name} for {length:.0f} s"


def unheard(world: World, model: Model, node: Node, rng: Random) -> str:
    length = rng.uniform(2, 400)
    _toggle(world, model, node, None, length)
    return f"{node.name} for {length:.0f} s"


def flap(world: World, model: Model, node: Node, rng: Random) -> str:
    count = rng.randint(3, 8)
    for number in range(count):
        world.later(world.at + 7.0 * number, lambda: _toggle(world, model, node, False, 3.0))
    return f"{node.name} {count} times"


def volumes_stay(world: World, model: Model, node: Node, rng: Random) -> str:
    """The driver detaches nothing from the node for a while. Rather one that has volumes."""
    attached = sorted({each.node for each in model.snapshot(START).attachments})
    if not attached:
        return ""
    name = node.name if node.name in attached else rng.choice(attached)
    length = rng.choice([rng.uniform(5, 200), rng.uniform(300, 1500)])
    model.stranger.keep_attached(name, "rpc error: code = DeadlineExceeded")
    world.later(world.at + length, lambda: model.stranger.keep_attached(name, None))
    return f"{name} for {length:.0f} s"


def _toggle(world: World, model: Model, node: Node, ready: bool | None, length: float) -> None:
    def back() -> None:
        if _is(model, node):
            model.stranger.node_ready(node.name, True)

    if _is(model, node):
        model.stranger.node_ready(node.name, ready)
        world.later(world.at + length, back)


def _is(model: Model, node: Node) -> bool:
    """The same machine still stands under the name, and does not just boot."""
    now = next((each for each in model.snapshot(START).nodes if each.name == node.name), None)
    return now is not None and now.uid == node.uid and now.boot_id == node.boot_id


def leave_pool(world: World, model: Model, node: Node, rng: Random) -> str:
    model.stranger.label(node.name, "pool", "quarantine")
    return node.name


def move_zone(world: World, model: Model, node: Node, rng: Random) -> str:
    model.stranger.label(node.name, ZONE_LABEL, rng.choice("abc"))
    return node.name
