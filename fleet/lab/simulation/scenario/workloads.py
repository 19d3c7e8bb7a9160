"""Draws the properties of a cluster's pods, and unusual workloads."""

from __future__ import annotations

from random import Random
from typing import Any

from msgspec.structs import replace

from fleet.core.objects.budget import Budget
from fleet.core.objects.node import ZONE_LABEL, Node, Resources, Toleration
from fleet.core.objects.placement import HOSTNAME_LABEL, SpreadRule
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.selector import Requirement, Selector
from fleet.core.objects.workload import Workload
from fleet.lab.simulation.builders import a_budget, a_deployment
from fleet.model.control_plane.controllers import ORDINAL_LABEL

ROLE_LABEL = "role"
"""The label by which an operator marks the primary of a database."""


def spread_of(rng: Random, app: str) -> dict[str, Any]:
    """Draws a spread rule: there may be more pods than nodes or zones to spread them over."""
    if rng.random() >= 0.3:
        return {}
    others = (Requirement("app", "In", (app,)),)
    topology = rng.choice([HOSTNAME_LABEL, ZONE_LABEL])
    return {"apart": (SpreadRule(topology, others, ("web",), rng.choice([0, 0, 1])),)}


def tolerance_of(cluster: str, nodes: int, replicas: int, app: str) -> dict[str, Any]:
    """Makes some pods tolerate a cordon: they come back to the node under drain, which is the emptiest."""
    if Random(f"tolerant {cluster} {nodes} {replicas} {app}").random() >= 0.06:
        return {}
    return {"tolerations": (Toleration(operator="Exists"),)}


def with_operator(cluster: str, nodes: list[Node]) -> tuple[list[Workload], list[Pod]]:
    """Adds a pod on each node whose budget allows nothing until the pod's operator, here a simulated user, opens it."""
    workloads, pods = a_deployment("manager", len(nodes), nodes)
    labels = {"app": "manager", "longhorn.io/component": "instance-manager"}
    return workloads, [replace(pod, uid=f"{cluster}-{pod.uid}", labels=labels) for pod in pods]


def stateful(cluster: str, nodes: list[Node]) -> tuple[list[Workload], list[Pod]]:
    """Adds a StatefulSet of three pods, each of which comes back only after the pod of that name has gone."""
    owner = Owner("StatefulSet", "db", "sts-db")
    pods = [
        Pod(
            "web",
            f"db-{ordinal}",
            f"{cluster}-db-{ordinal}",
            node=nodes[ordinal % len(nodes)].name,
            labels={"app": "db", ORDINAL_LABEL: f"db-{ordinal}"},
            owner=owner,
            requests=Resources(100, 128 << 20, 1),
        )
        for ordinal in range(3)
    ]
    return [Workload("StatefulSet", "web", "db", owner.uid, 3, 3)], pods


def with_roles(pods: list[Pod]) -> list[Pod]:
    """Labels one of the pods as the primary, as an operator does."""
    roles = ["primary", *["replica"] * (len(pods) - 1)]
    return [
        replace(pod, labels={**pod.labels, ROLE_LABEL: role}) for pod, role in zip(pods, roles, strict=True)
    ]


def role_budgets(pods: int) -> list[Budget]:
    """Returns budgets that protect the primary, and allow one replica to go."""
    return [
        replace(
            a_budget(f"db-{role}", count, count - 1),
            selector=Selector({"app": "db", ROLE_LABEL: role}),
            min_available=1,
            max_unavailable=None,
        )
        for role, count in (("primary", 1), ("replica", pods - 1))
    ]


def obstacle_to_moving(rng: Random) -> dict[str, Any]:
    """Draws a property that makes it hard to move a pod: finalizers, local data or a path of its host."""
    drawn = rng.random()
    if drawn < 0.04:
        # This pod stays on its node, so no other pod may have a rule to keep apart from it.
        return {"finalizers": True, "apart": ()}
    if drawn < 0.10:
        return {"local_data": True}
    return {"host_path": True} if drawn < 0.16 else {}


def unmanaged_pod(rng: Random, cluster: str, nodes: list[Node]) -> list[Pod]:
    """Draws a pod without an owner in some clusters."""
    if rng.random() < 0.9:
        return []
    return [Pod("ops", "debug", f"{cluster}-debug", node=rng.choice(nodes).name, labels={"app": "debug"})]


def job(cluster: str, node: Node) -> tuple[Workload, Pod, Budget]:
    """Returns a Job's pod with a budget that cannot be computed: Jobs have no scale."""
    job = Workload("Job", "batch", "crunch", f"{cluster}-crunch", 1, 1)
    owner = Owner("Job", "crunch", job.uid)
    labels = {"app": "crunch"}
    pod = Pod("batch", "crunch-1", f"{cluster}-crunch-1", node=node.name, labels=labels, owner=owner)
    budget = Budget("batch", "crunch", "pdb-crunch", selector=Selector(labels), max_unavailable=1)
    return job, pod, budget
