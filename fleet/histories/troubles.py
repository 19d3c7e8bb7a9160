"""What each kind of fault does to a world. Each answers in words what it did; empty: there was nothing to act on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from msgspec.structs import replace

from fleet.core.budget import Budget
from fleet.core.node import ZONE_LABEL, Node
from fleet.core.pod import Pod
from fleet.core.quorum import Member
from fleet.core.rollout import Run
from fleet.core.steps import Step
from fleet.histories.builders import NEW, START, a_machine
from fleet.histories.scene import draw_policy
from fleet.histories.weather import LATEST
from fleet.histories.world import World
from fleet.sim.behaviour import Failure, Spread
from fleet.sim.model import Model

NEVER = 1e8
"""Seconds."""
LASTING = 5000.0
"""Seconds: until somebody mends it."""


def _weather(kind: str, low: float, high: float) -> Callable[[World, Random], str]:
    def begin(world: World, rng: Random) -> str:
        cluster, length = rng.choice(list(world.weather)), rng.uniform(low, high)
        world.weather[cluster].begin(kind, world.at + length)
        return f"{cluster} for {length:.0f} s"

    return begin


def _late(world: World, rng: Random) -> str:
    cluster, length = rng.choice(list(world.weather)), rng.uniform(10, 300)
    kinds = rng.sample(["Node", "Pod", "Budget", "Workload", "Machine"], rng.randint(1, 3))
    delay = rng.choice([1.0, LATEST])
    world.weather[cluster].late = dict.fromkeys(kinds, delay)
    world.weather[cluster].begin("late events", world.at + length)
    return f"{cluster}: {', '.join(kinds)} by up to {delay:.0f} s, for {length:.0f} s"


def _forget(world: World, rng: Random) -> str:
    cluster = rng.choice(list(world.weather))
    wires = [each.wires[cluster] for each in world.controllers if each.wires[cluster].heard]
    for wire in wires:
        wire.forget(world.models[cluster].snapshot(START), world.at)
    return cluster if wires else ""


def _away(world: World, rng: Random) -> str:
    cluster, length = rng.choice(list(world.weather)), rng.uniform(5, 400)
    world.lose(cluster, world.at + length)
    return f"{cluster} for {length:.0f} s"


def _kill(world: World, rng: Random) -> str:
    leader = world.leader
    if leader is None or leader.stopped:
        return ""
    world.kill(leader, "between turns")
    return leader.name


def _doom(world: World, rng: Random) -> str:
    world.doom = rng.choice([0, 0, 1, 1, 2, 3])
    return f"after {world.doom} actions"


def _doom_before(world: World, rng: Random) -> str:
    world.doom = -1
    return "at the next decision"


def _stop(world: World, rng: Random) -> str:
    world.doom, world.doomed_to_stop = rng.choice([0, 1, 2]), True
    return f"after {world.doom} actions"


def _second(world: World, rng: Random) -> str:
    if world.leader is None or world.journal.closed:
        return ""
    world.take_over()
    return "and the first goes on"


def _close(world: World, rng: Random) -> str:
    length = rng.uniform(1, 200)
    world.journal.closed = rng.choice(["the database is locked", "the disk is full", "the database is gone"])

    def reopen() -> None:
        world.journal.closed = ""

    world.later(world.at + length, reopen)
    return f"{world.journal.closed}, for {length:.0f} s"


def _hush(world: World, rng: Random) -> str:
    world.journal.hushed = True
    return "at its next append"


def _say(word: str) -> Callable[[World, Random], str]:
    def say(world: World, rng: Random) -> str:
        active = [each.id for each in world.checker.rollouts.values() if not each.ended]
        if not active or world.journal.closed:
            return ""
        world.say(active[-1], word)
        return active[-1]

    return say


def _policy(world: World, rng: Random) -> str:
    """Somebody edits the file: it counts from the next rollout on."""
    groups = world.policy.quorums
    world.policy = replace(draw_policy(rng, [pool.name for pool in world.policy.pools]), quorums=groups)
    return ", ".join(f"{pool.name}: {pool.limits.max_unavailable}" for pool in world.policy.pools)


def _release(world: World, rng: Random) -> str:
    """Of any run: a person may be mistaken."""
    told = [each for each in world.checker.rollouts.values() if not each.ended]
    if not told or world.journal.closed:
        return ""
    node = rng.choice(list(told[-1].runs))
    world.say(told[-1].id, "release", node)
    return node


def _clock(sign: int) -> Callable[[World, Random], str]:
    def jump(world: World, rng: Random) -> str:
        by = sign * rng.uniform(20, 1800)
        world.skew += by
        for controller in world.controllers:
            controller.wake = world.now
        return f"{by:+.0f} s"

    return jump


def _on_node(act: Callable[[World, Model, Node, Random], str]) -> Callable[[World, Random], str]:
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


def _cordon(world: World, model: Model, node: Node, rng: Random) -> str:
    world.checker.cordoned_by_a_person(model.cluster, node.name)
    model.stranger.cordon(node.name)
    return node.name


def _uncordon(world: World, model: Model, node: Node, rng: Random) -> str:
    world.checker.uncordoned_by_a_person(model.cluster, node.name)
    model.stranger.uncordon(node.name)
    return node.name


def _delete_node(world: World, model: Model, node: Node, rng: Random) -> str:
    world.checker.uncordoned_by_a_person(model.cluster, node.name)
    model.stranger.delete_node(node.name)
    return node.name


def _replace_node(world: World, model: Model, node: Node, rng: Random) -> str:
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


def _unready(world: World, model: Model, node: Node, rng: Random) -> str:
    length = rng.uniform(2, 400)
    _toggle(world, model, node, False, length)
    return f"{node.name} for {length:.0f} s"


def _unheard(world: World, model: Model, node: Node, rng: Random) -> str:
    length = rng.uniform(2, 400)
    _toggle(world, model, node, None, length)
    return f"{node.name} for {length:.0f} s"


def _flap(world: World, model: Model, node: Node, rng: Random) -> str:
    count = rng.randint(3, 8)
    for number in range(count):
        world.later(world.at + 7.0 * number, lambda: _toggle(world, model, node, False, 3.0))
    return f"{node.name} {count} times"


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


def _leave_pool(world: World, model: Model, node: Node, rng: Random) -> str:
    model.stranger.label(node.name, "pool", "quarantine")
    return node.name


def _move_zone(world: World, model: Model, node: Node, rng: Random) -> str:
    model.stranger.label(node.name, ZONE_LABEL, rng.choice("abc"))
    return node.name


def _on_budget(act: Callable[[Model, Budget, Random], None]) -> Callable[[World, Random], str]:
    def choose(world: World, rng: Random) -> str:
        model = rng.choice(list(world.models.values()))
        budgets = model.snapshot(START).budgets
        if not budgets:
            return ""
        budget = rng.choice(budgets)
        act(model, budget, rng)
        return f"{model.cluster} {budget.name}"

    return choose


def _tighter(model: Model, budget: Budget, rng: Random) -> None:
    kept: dict[str, int | str | None] = rng.choice(
        [
            {"max_unavailable": 1, "min_available": None},
            {"max_unavailable": None, "min_available": "90%"},
            {"max_unavailable": "30%", "min_available": None},
        ]
    )
    model.stranger.put_budget(replace(budget, **kept))


def _none(model: Model, budget: Budget, rng: Random) -> None:
    model.stranger.put_budget(replace(budget, max_unavailable=0, min_available=None))


def _delete_budget(model: Model, budget: Budget, rng: Random) -> None:
    model.stranger.delete_budget(budget.ref)


def _double(model: Model, budget: Budget, rng: Random) -> None:
    name = f"{budget.name}-twice"
    model.stranger.put_budget(replace(budget, name=name, uid=f"{budget.uid}-twice"))


def _scale(world: World, rng: Random) -> str:
    model = rng.choice(list(world.models.values()))
    found = [each for each in model.snapshot(START).workloads if each.kind == "Deployment"]
    if not found:
        return ""
    workload = rng.choice(found)
    replicas = rng.randint(0, workload.replicas)
    model.stranger.scale("Deployment", workload.ref, replicas)
    return f"{model.cluster} {workload.ref} to {replicas}"


def _delete_pod(world: World, rng: Random) -> str:
    model = rng.choice(list(world.models.values()))
    pods: tuple[Pod, ...] = model.snapshot(START).pods
    if not pods:
        return ""
    pod = rng.choice(pods)
    model.stranger.delete_pod(pod.ref)
    return f"{model.cluster} {pod.ref}"


def _crash(world: World, rng: Random) -> str:
    model = rng.choice(list(world.models.values()))
    found = [each for each in model.snapshot(START).workloads if each.kind == "ReplicaSet"]
    if not found:
        return ""
    name = f"{found[0].namespace}/{rng.choice(found).name}"
    world.behave(model, pod_start=Spread(2, 30, {name: NEVER}))
    return f"{model.cluster} {name} never starts again"


def _boot(world: World, model: Model, node: Node, rng: Random) -> str:
    """Somebody has upgraded the machine by hand."""
    waiting = {run.node.name for run in runs(world) if run.waiting and run.node.cluster == model.cluster}
    machines = [each for each in model.snapshot(START).machines if each.name in waiting]
    if not machines:
        return ""
    machine = rng.choice(machines)
    model.stranger.put_machine(replace(machine, booted=NEW, staged=None))
    return machine.name


def _unstage(world: World, model: Model, node: Node, rng: Random) -> str:
    """Somebody has thrown the written image away."""
    drained = {run.node.name for run in runs(world) if run.step in (Step.STAGED, Step.DRAIN, Step.CORDON)}
    machines = [each for each in model.snapshot(START).machines if each.name in drained]
    if not machines:
        return ""
    machine = rng.choice(machines)
    model.stranger.put_machine(replace(machine, staged=None))
    return machine.name


def _agent_dies(world: World, model: Model, node: Node, rng: Random) -> str:
    """Whoever stages on that node next never ends, or takes very long."""
    length = rng.choice([NEVER, 350.0])
    world.behave(model, stage=Spread(10, 90, {node.name: length}))
    return f"{node.name}: staging takes {length:.0f} s"


def _fail(world: World, model: Model, node: Node, rng: Random) -> str:
    ways: list[Failure] = ["never-back", "old-version", "old-version", "stage-fails", "not-ready"]
    way = rng.choice(ways)
    world.behave(model, failures={**world.behaviours[model.cluster].failures, node.name: way})
    return f"{node.name}: {way}"


def _on_group(act: Callable[[World, Model, str, Member, Random], str]) -> Callable[[World, Random], str]:
    def choose(world: World, rng: Random) -> str:
        found = [(model, name) for model in world.models.values() for name in model.quorums.groups]
        if not found:
            return ""
        model, name = rng.choice(found)
        member = rng.choice(model.quorums.groups[name].members)
        return act(world, model, name, member, rng)

    return choose


def _member_down(world: World, model: Model, name: str, member: Member, rng: Random) -> str:
    """Its process alone: the node stays."""
    length = rng.choice([rng.uniform(5, 600), LASTING])
    model.quorums.change(name, member.name, reachable=False, leader=False)
    world.later(world.at + length, lambda: member_up(model, name, member.name))
    return f"{name} {member.name} for {length:.0f} s"


def member_up(model: Model, name: str, member: str) -> None:
    """If its node is."""
    found = next(each for each in model.quorums.groups[name].members if each.name == member)
    up = {node.name for node in model.snapshot(START).nodes if node.ready is True}
    if found.node is None or found.node.name in up:
        model.quorums.rejoined(name, member)


def _member_lags(world: World, model: Model, name: str, member: Member, rng: Random) -> str:
    length = rng.uniform(5, 400)
    model.quorums.change(name, member.name, index=1)
    world.later(world.at + length, lambda: model.quorums.caught_up(name, member.name))
    return f"{name} {member.name} for {length:.0f} s"


def _alarm(world: World, model: Model, name: str, member: Member, rng: Random) -> str:
    length = rng.uniform(5, 600)
    model.quorums.change(name, member.name, alarms=("NOSPACE",))
    world.later(world.at + length, lambda: model.quorums.change(name, member.name, alarms=()))
    return f"{name} {member.name} for {length:.0f} s"


def _leader_moves(world: World, model: Model, name: str, member: Member, rng: Random) -> str:
    if not member.reachable or not member.voter:
        return ""
    model.quorums.lead(name, member.name)
    return f"{name} to {member.name}"


def _group_unread(world: World, model: Model, name: str, member: Member, rng: Random) -> str:
    length = rng.choice([rng.uniform(5, 600), LASTING])
    model.quorums.hide(name, "connection refused")
    world.later(world.at + length, lambda: model.quorums.hide(name, ""))
    return f"{name} for {length:.0f} s"


def _backup_full(world: World, model: Model, name: str, member: Member, rng: Random) -> str:
    length = rng.uniform(5, 100)
    model.quorums.full = "no space left on device"

    def empty() -> None:
        model.quorums.full = ""

    world.later(world.at + length, empty)
    return f"{model.cluster} for {length:.0f} s"


def _ambush(world: World, rng: Random) -> str:
    """Somebody or something comes between a run's step and what it does in it."""
    step = rng.choice(["cordon", "drain", "reboot", "verify", "uncordon", "soak", "return"])
    act = rng.choice([_cordon, _uncordon, _delete_node, _replace_node, _unready])

    def befall(model: Model, name: str) -> None:
        node = next((each for each in model.snapshot(START).nodes if each.name == name), None)
        if node is not None:
            world.log(f"* ambush: {act.__name__.strip('_').replace('_', ' ')} {act(world, model, node, rng)}")

    world.ambush = step, befall
    return f"for the next one that comes to {step}"


TROUBLES: Mapping[str, Callable[[World, Random], str]] = {
    "kill": _kill,
    "kill between actions": _doom,
    "kill before the journal": _doom_before,
    "second leader": _second,
    "stopped leader": _stop,
    "database refuses": _close,
    "commit unheard": _hush,
    "away": _away,
    "watches forgotten": _forget,
    "timeouts": _weather("timeouts", 10, 300),
    "errors": _weather("errors", 10, 300),
    "conflicts": _weather("conflicts", 10, 300),
    "busy": _weather("busy", 10, 300),
    "slow": _weather("slow", 10, 300),
    "late events": _late,
    "doubled events": _weather("doubled events", 10, 600),
    "pause": _say("pause"),
    "resume": _say("resume"),
    "abort": _say("abort"),
    "release": _release,
    "policy changed": _policy,
    "clock forward": _clock(1),
    "clock back": _clock(-1),
    "cordon": _on_node(_cordon),
    "uncordon": _on_node(_uncordon),
    "delete node": _on_node(_delete_node),
    "replace node": _on_node(_replace_node),
    "unready": _on_node(_unready),
    "unheard": _on_node(_unheard),
    "flap": _on_node(_flap),
    "leave pool": _on_node(_leave_pool),
    "move zone": _on_node(_move_zone),
    "budget tighter": _on_budget(_tighter),
    "budget none": _on_budget(_none),
    "budget deleted": _on_budget(_delete_budget),
    "budget doubled": _on_budget(_double),
    "scale down": _scale,
    "pod deleted": _delete_pod,
    "pods crash": _crash,
    "booted by another": _on_node(_boot),
    "unstaged": _on_node(_unstage),
    "agent dies": _on_node(_agent_dies),
    "node failure": _on_node(_fail),
    "member down": _on_group(_member_down),
    "member lags": _on_group(_member_lags),
    "alarm": _on_group(_alarm),
    "leader moves": _on_group(_leader_moves),
    "group unread": _on_group(_group_unread),
    "backup full": _on_group(_backup_full),
    "ambush": _ambush,
}
