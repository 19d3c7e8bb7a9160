"""Faults of budgets, pods, and their owners."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from msgspec.structs import replace

from fleet.core.objects.budget import Budget
from fleet.core.objects.pod import Pod
from fleet.lab.simulation.builders import START
from fleet.lab.simulation.faults.machines import NEVER
from fleet.lab.simulation.scenario.workloads import ROLE_LABEL
from fleet.lab.simulation.world import World
from fleet.model.behaviour import SpreadLength
from fleet.model.model import Model


def on_budget(act: Callable[[Model, Budget, Random], None]) -> Callable[[World, Random], str]:
    """Wraps a fault of one budget."""

    def choose(world: World, rng: Random) -> str:
        model = rng.choice(list(world.models.values()))
        budgets = model.snapshot(START).budgets
        if not budgets:
            return ""
        budget = rng.choice(budgets)
        act(model, budget, rng)
        return f"{model.cluster} {budget.name}"

    return choose


def tighter(model: Model, budget: Budget, rng: Random) -> None:
    """Makes the budget ask for one pod more."""
    limits: dict[str, int | str | None] = rng.choice(
        [
            {"max_unavailable": 1, "min_available": None},
            {"max_unavailable": None, "min_available": "90%"},
            {"max_unavailable": "30%", "min_available": None},
        ]
    )
    model.stranger.put_budget(replace(budget, **limits))


def none(model: Model, budget: Budget, rng: Random) -> None:
    model.stranger.put_budget(replace(budget, max_unavailable=0, min_available=None))


def delete_budget(model: Model, budget: Budget, rng: Random) -> None:
    model.stranger.delete_budget(budget.ref)


def double(model: Model, budget: Budget, rng: Random) -> None:
    name = f"{budget.name}-twice"
    model.stranger.put_budget(replace(budget, name=name, uid=f"{budget.uid}-twice"))


def scale(world: World, rng: Random) -> str:
    """Scales a workload up or down."""
    model = rng.choice(list(world.models.values()))
    deployments = [workload for workload in model.snapshot(START).workloads if workload.kind == "Deployment"]
    if not deployments:
        return ""
    workload = rng.choice(deployments)
    replicas = rng.randint(0, workload.replicas)
    model.stranger.scale("Deployment", workload.ref, replicas)
    return f"{model.cluster} {workload.ref} to {replicas}"


def delete_pod(world: World, rng: Random) -> str:
    model = rng.choice(list(world.models.values()))
    pods: tuple[Pod, ...] = model.snapshot(START).pods
    if not pods:
        return ""
    pod = rng.choice(pods)
    model.stranger.delete_pod(pod.ref)
    return f"{model.cluster} {pod.ref}"


def crash(world: World, rng: Random) -> str:
    model = rng.choice(list(world.models.values()))
    replica_sets = [workload for workload in model.snapshot(START).workloads if workload.kind == "ReplicaSet"]
    if not replica_sets:
        return ""
    name = f"{replica_sets[0].namespace}/{rng.choice(replica_sets).name}"
    world.behave(model, pod_start=SpreadLength(2, 30, {name: NEVER}))
    return f"{model.cluster} {name} never starts again"


def switch_over(world: World, rng: Random) -> str:
    """Makes another pod of a database the primary, as its operator does."""
    model = rng.choice(list(world.models.values()))
    pods = [pod for pod in model.snapshot(START).pods if ROLE_LABEL in pod.labels]
    replicas = [pod for pod in pods if pod.labels[ROLE_LABEL] == "replica"]
    if not replicas:
        return ""
    chosen = rng.choice(replicas)
    for pod in pods:
        if pod.labels[ROLE_LABEL] == "primary":
            model.stranger.relabel(pod.ref, ROLE_LABEL, "replica")
    model.stranger.relabel(chosen.ref, ROLE_LABEL, "primary")
    return f"{model.cluster} {chosen.ref} is the primary"
