"""The users of a history. When the faults have ended they repair the clusters, release failed runs, and resume rollouts."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from fleet.core.objects.budget import Budget
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod, PodRef
from fleet.lab.simulation.builders import START, a_node
from fleet.lab.simulation.faults import others
from fleet.lab.simulation.faults.groups import member_up
from fleet.lab.simulation.faults.nodes import runs
from fleet.lab.simulation.scenario.workloads import ROLE_LABEL
from fleet.lab.simulation.world import World
from fleet.model.behaviour import SpreadLength
from fleet.model.model import Model

STUCK = timedelta(minutes=15)
"""The time after its grace period at which users look at a pod that is still there."""


def fix_causes(world: World) -> None:
    """Repairs all clusters, and what gates ask: nothing stands in the way of any rollout any more."""
    world.gate_server.repaired = True
    world.hook_server.repaired = True
    held = _held_apps(world)
    for model in world.models.values():
        world.behave(model, pod_start=SpreadLength(2, 30), stage=SpreadLength(10, 90), failures={})
        busy = {run.node.name for run in runs(world) if run.touched and not run.ended}
        now = model.snapshot(START)
        for node in now.nodes:
            if node.name not in busy:
                _repair_node(world, model, node)
        for machine in now.machines:
            if not machine.reported:
                model.stranger.put_machine(replace(machine, reported=True))
        for budget in now.budgets:
            _repair_budget(model, budget)
        for pod in now.pods:
            _repair_pod(world, model, pod, held)
        others.end_all(world, model)
        _make_room(model)
        _repair_groups(model, busy)
        up = {node.name for node in model.snapshot(START).nodes if node.ready is True}
        for pod in model.snapshot(START).pods:
            if pod.node in up and not pod.ready and not pod.deleting and not pod.finished:
                model.stranger.pod_ready(pod.ref, True)


def _held_apps(world: World) -> set[str]:
    """Returns the workloads whose pods a drain rule holds. Their nodes are not drained while they run there."""
    policies = [rollout.policy for rollout in world.checker.rollouts.values()]
    rules = [rule for policy in policies for pool in policy.pools for rule in pool.drain.rules]
    terms = [term for rule in rules if rule.do == "hold" for term in rule.pods]
    return {term.selector.match_labels.get("app", "") for term in terms} - {""}


def _make_room(model: Model) -> None:
    """Adds a node in each zone that is part of no rollout, so that pods can move there."""
    for zone in "abc":
        if not any(node.name == f"spare-{zone}" for node in model.snapshot(START).nodes):
            model.stranger.add_node(a_node(f"spare-{zone}", zone, "others"))


def _repair_node(world: World, model: Model, node: Node) -> None:
    if node.labels.get("pool") == "quarantine":
        model.stranger.label(node.name, "pool", "workers")
    if node.ready is not True:
        model.stranger.node_ready(node.name, True)
    if node.unschedulable and not node.cordoned_by:
        world.checker.uncordoned_by_user(model.cluster, node.name)
        model.stranger.uncordon(node.name)


def _repair_pod(world: World, model: Model, pod: Pod, held: set[str]) -> None:
    """Repairs a pod. `held`: workloads whose nodes are not drained while they run there."""
    if pod.deleting and pod.finalizers and pod.gone_by is not None and world.now > pod.gone_by + STUCK:
        model.stranger.take_finalizers(pod.ref)
    elif pod.owner is None:
        model.stranger.delete_pod(pod.ref)
    elif pod.labels.get("app", "") in held:
        model.stranger.scale("Deployment", PodRef(pod.namespace, pod.labels["app"]), 0)
    elif pod.local_data or pod.host_path or pod.apart:
        workload = PodRef(pod.namespace, pod.owner.name.removesuffix("-1"))
        model.stranger.scale("Deployment", workload, int(not pod.local_data and not pod.host_path))


def _repair_groups(model: Model, busy: set[str]) -> None:
    """Brings members back. One whose node is gone for good comes back elsewhere, on no node of the fleet."""
    model.quorums.full = ""
    nodes = {node.name for node in model.snapshot(START).nodes}
    for name, group in model.quorums.groups.items():
        model.quorums.hide(name, "")
        for member in group.members:
            if member.node is not None and member.node.name not in nodes:
                model.quorums.change(name, member.name, node=None)
            if member.node is None or member.node.name not in busy:
                model.quorums.change(name, member.name, alarms=())
                if not member.reachable:
                    member_up(model, name, member.name)
                model.quorums.caught_up(name, member.name)


def _repair_budget(model: Model, budget: Budget) -> None:
    if budget.name.endswith("-twice") or budget.failure:
        model.stranger.delete_budget(budget.ref)
    elif budget.selector is not None and ROLE_LABEL in budget.selector.match_labels:
        model.stranger.put_budget(replace(budget, max_unavailable=None, min_available=0))
    elif budget.max_unavailable not in (1, 2):
        model.stranger.put_budget(replace(budget, max_unavailable=1, min_available=None))


def release_and_resume(world: World) -> bool:
    """Releases failed runs, lets gates pass, and resumes paused and halted rollouts. Returns whether there were any."""
    commanded = False
    for rollout in world.checker.rollouts.values():
        for name, run in rollout.runs.items():
            if run.step == "failed" and run.keeps:
                world.command(rollout.id, "release", name)
                commanded = True
        if not rollout.ended:
            for of, place, gate in rollout.gates.waiting_for_operator():
                world.command(rollout.id, "pass", detail={"point": {"of": of, "name": place}, "gate": gate})
                commanded = True
            for moment, subject, hook in rollout.hooks.unknown():
                of_node = moment.endswith("_node")
                detail = {"moment": moment, "hook": hook, "again": len(hook) % 2 == 0}
                stage = {"stage": subject} if subject and not of_node else {}
                world.command(rollout.id, "hook", subject if of_node else "", {**detail, **stage})
                commanded = True
        if not rollout.ended and rollout.state in ("paused", "halted"):
            world.command(rollout.id, "resume")
            commanded = True
    return commanded
