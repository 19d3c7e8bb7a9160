"""Draws the objects of one cluster."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.attachment import Attachment
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine, Units
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Owner, Pod, PodRef
from fleet.core.objects.volumes import PersistentVolume
from fleet.core.objects.workload import Workload
from fleet.lab.simulation.builders import a_budget, a_deployment, a_machine, a_node, a_snapshot
from fleet.lab.simulation.scenario import workloads as drawn


def draw_cluster(rng: Random, cluster: str, pools: list[str]) -> Snapshot:
    """Draws the nodes of a cluster with their workloads."""
    count = rng.randint(2, 7)
    prefix = cluster[0]
    nodes = [
        a_node(f"{prefix}-{index}", zone=rng.choice("abc"), pool=rng.choice(pools)) for index in range(count)
    ]
    machines = [_machine(rng, node) for node in nodes]
    workloads: list[Workload] = []
    pods: list[Pod] = []
    budgets: list[Budget] = []
    for index in range(rng.randint(0, 5)):
        name, replicas = f"app-{index}", rng.randint(1, 2 * count)
        drawn_app = a_deployment(name, replicas, rng.sample(nodes, count))
        properties = {
            **drawn.spread_of(rng, name),
            **drawn.obstacle_to_moving(rng),
            **drawn.tolerance_of(cluster, count, replicas, name),
        }
        workloads += drawn_app[0]
        pods += [replace(pod, uid=f"{cluster}-{pod.uid}", **properties) for pod in drawn_app[1]]
        if rng.random() < 0.8:
            allowed = rng.randint(1, 2)
            budgets.append(a_budget(name, replicas, min(allowed, replicas)))
    if rng.random() < 0.3:
        drawn_app = drawn.stateful(cluster, rng.sample(nodes, count))
        workloads += drawn_app[0]
        # Drawn by the nodes, so that the histories of older seeds stay the same otherwise.
        if Random(f"roles {[node.labels for node in nodes]}").random() < 0.25:
            pods += drawn.with_roles(drawn_app[1])
            budgets += drawn.role_budgets(len(drawn_app[1]))
        else:
            pods += drawn_app[1]
            budgets.append(a_budget("db", len(drawn_app[1]), 1))
    if Random(f"operator {cluster} {[node.zone for node in nodes]}").random() < 0.12:
        owned = drawn.with_operator(cluster, nodes)
        workloads += owned[0]
        pods += owned[1]
        budgets.append(a_budget("manager", count, 0))
    pods += drawn.unmanaged_pod(rng, cluster, nodes)
    if rng.random() < 0.08:
        job, pod, budget = drawn.job(cluster, rng.choice(nodes))
        workloads.append(job)
        pods.append(pod)
        budgets.append(budget)
    site = {"east": "fra", "west": "ams"}[cluster]
    snapshot = a_snapshot(nodes, (workloads, pods), budgets, cluster=cluster, machines=machines)
    return replace(snapshot, site=site)


def _machine(rng: Random, node: Node) -> Machine:
    machine = a_machine(node)
    # Drawn by its name, so that the histories of older seeds stay the same otherwise.
    if Random(f"units {node.name} {node.labels}").random() < 0.2:
        machine = replace(machine, units=Units("degraded", ("smartd.service",)))
    return replace(machine, reported=False) if rng.random() < 0.03 else machine


def with_volumes(snapshot: Snapshot) -> Snapshot:
    """Gives each pod of the StatefulSet a volume, and also a DaemonSet's pod on the first node, which stays."""
    if not any(pod.name == "db-0" for pod in snapshot.pods):
        return snapshot
    owner = Owner("DaemonSet", "cache", "ds-cache")
    node = snapshot.nodes[0].name
    cache = Pod("web", "cache-1", f"{snapshot.cluster}-cache", node, owner=owner, claims=("cache",))
    pods = [
        replace(pod, claims=(f"data-{pod.name}",)) if pod.name.startswith("db-") else pod
        for pod in (*snapshot.pods, cache)
    ]
    used = [(pod, claim) for pod in pods for claim in pod.mounted]
    return replace(
        snapshot,
        pods=tuple(pods),
        volumes=tuple(
            PersistentVolume(f"pv-{claim}", f"uid-pv-{claim}", PodRef(pod.namespace, claim))
            for pod, claim in used
        ),
        attachments=tuple(
            Attachment(
                f"va-{claim}", f"uid-va-{claim}", pod.node, f"pv-{claim}", "csi.sim.internal", attached=True
            )
            for pod, claim in used
        ),
    )
