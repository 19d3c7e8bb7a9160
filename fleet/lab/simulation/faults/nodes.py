"""Faults of nodes: they are cordoned, deleted, replaced, not Ready, or get other labels."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from fleet.core.objects.node import ZONE_LABEL, Node
from fleet.core.rollout.run import Run
from fleet.lab.simulation.builders import START, a_machine
from fleet.lab.simulation.world import World
from fleet.model.model import Model


def on_node(act: Callable[[World, Model, Node, Random], str]) -> Callable[[World, Random], str]:
    """Wraps a fault of one node, preferably one that fleet works on."""

    def choose(world: World, rng: Random) -> str:
        model = rng.choice(list(world.models.values()))
        nodes = model.snapshot(START).nodes
        busy = {run.node.name for run in runs(world) if run.touched and not run.ended}
        preferred = [node for node in nodes if node.name in busy] if rng.random() < 0.6 else []
        if not nodes:
            return ""
        return act(world, model, rng.choice(preferred or list(nodes)), rng)

    return choose


def runs(world: World) -> list[Run]:
    """Returns the runs as the leading controller knows them."""
    leader = world.leader
    return (
        [run for rollout in leader.engine.rollouts.values() for run in rollout.runs.values()]
        if leader
        else []
    )


def cordon(world: World, model: Model, node: Node, rng: Random) -> str:
    world.checker.cordoned_by_user(model.cluster, node.name)
    model.stranger.cordon(node.name)
    return node.name


def uncordon(world: World, model: Model, node: Node, rng: Random) -> str:
    world.checker.uncordoned_by_user(model.cluster, node.name)
    model.stranger.uncordon(node.name)
    return node.name


def delete_node(world: World, model: Model, node: Node, rng: Random) -> str:
    world.checker.uncordoned_by_user(model.cluster, node.name)
    model.stranger.delete_node(node.name)
    return node.name


def delete_canary(world: World, rng: Random) -> str:
    """Deletes the node of a canary before its run has begun."""
    canary = _waiting_canary(world, rng)
    return delete_node(world, *canary, rng) if canary is not None else ""


def cordon_canary(world: World, rng: Random) -> str:
    """Cordons the node of a canary until all faults have ended."""
    canary = _waiting_canary(world, rng)
    return cordon(world, *canary, rng) if canary is not None else ""


def _waiting_canary(world: World, rng: Random) -> tuple[Model, Node] | None:
    canaries = [run.node for run in runs(world) if run.goal.canary and run.waiting]
    nodes = [
        (model, node)
        for ref in canaries
        for model in [world.models[ref.cluster]]
        for node in model.snapshot(START).nodes
        if node.name == ref.name
    ]
    return rng.choice(nodes) if nodes else None


def forget_rebooting(world: World, rng: Random) -> str:
    """Deletes the Node object of the next run that reboots, as a cloud's controller does with machines that are down."""

    def befall(model: Model, name: str) -> None:
        node = next((node for node in model.snapshot(START).nodes if node.name == name), None)
        if node is not None:
            world.log(f"* forgotten: {forget_node(world, model, node, rng)}")

    step = rng.choice(["reboot", "reboot", "verify", "drain", "soak"])
    world.ambush = step, befall
    return f"the next one that comes to {step}"


def forget_node(world: World, model: Model, node: Node, rng: Random) -> str:
    """Deletes the Node object of a machine that still runs, as a cloud's controller does. The machine registers again at
    its next boot, or when its kubelet is restarted; a machine that does not reboot now may take too long."""
    length = rng.choice([5.0, 60.0, 300.0, 900.0])
    uid = f"{node.uid}-anew-{rng.randrange(1000)}"

    def forget() -> None:
        now = next(
            (candidate for candidate in model.snapshot(START).nodes if candidate.name == node.name), None
        )
        if now is not None and now.uid == node.uid:
            world.checker.uncordoned_by_user(model.cluster, node.name)
            model.stranger.forget_node(node.name)
            world.later(world.at + length, lambda: model.stranger.register(node.name, uid))

    world.later(world.at + rng.choice([0.0, 2.0, 15.0, 60.0]), forget)
    return f"{node.name} for {length:.0f} s"


def replace_node(world: World, model: Model, node: Node, rng: Random) -> str:
    """Puts another machine under the name of the node."""
    world.checker.uncordoned_by_user(model.cluster, node.name)
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
    """Makes the CSI driver detach nothing from the node for a while, preferably one that has volumes."""
    attached = sorted({attachment.node for attachment in model.snapshot(START).attachments})
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
    """Returns whether the node still is the same machine in the same boot."""
    now = next((candidate for candidate in model.snapshot(START).nodes if candidate.name == node.name), None)
    return now is not None and now.uid == node.uid and now.boot_id == node.boot_id


def leave_pool(world: World, model: Model, node: Node, rng: Random) -> str:
    model.stranger.label(node.name, "pool", "quarantine")
    return node.name


def move_zone(world: World, model: Model, node: Node, rng: Random) -> str:
    model.stranger.label(node.name, ZONE_LABEL, rng.choice("abc"))
    return node.name
