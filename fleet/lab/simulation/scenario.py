"""A generated fleet and its rollout, drawn from a seed: small, with a bit of everything that can hold a rollout."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import time, timedelta
from random import Random
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.attachment import Attachment
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine, Units
from fleet.core.objects.node import ARCHITECTURE_LABEL, ZONE_LABEL, Node, NodeRef, Resources, Toleration
from fleet.core.objects.placement import HOSTNAME_LABEL, SpreadRule
from fleet.core.objects.pod import Owner, Pod, PodRef
from fleet.core.objects.selector import Requirement, Selector
from fleet.core.objects.volumes import PersistentVolume
from fleet.core.objects.workload import Workload
from fleet.core.policy.drain_rule import DrainBehaviour as Do
from fleet.core.policy.drain_rule import PodRule, PodRuleTerm
from fleet.core.policy.policy import (
    Amount,
    DrainRule,
    Freeze,
    Limits,
    Policy,
    Pool,
    RebootRule,
    StageRule,
    Window,
)
from fleet.core.quorum.groups import QuorumGroup
from fleet.core.quorum.quorum import Link, QuorumRule, SnapshotRule
from fleet.core.releases.release import Release
from fleet.core.rollout.goal import Goal
from fleet.lab.simulation.builders import (
    NEW,
    START,
    a_budget,
    a_deployment,
    a_group,
    a_machine,
    a_node,
    a_policy,
    a_pool,
    a_snapshot,
)
from fleet.model.behaviour import ClusterBehaviour, Failure, SpreadLength
from fleet.model.control_plane.controllers import ORDINAL_LABEL

ARCHITECTURES = ("amd64", "arm64")
EXPECTED_SECONDS = 240
ROLE_LABEL = "role"
"""The label by which an operator marks the primary of a database."""
"""How long one run is expected to take, in seconds."""


class Scenario(Struct, frozen=True):
    snapshots: tuple[Snapshot, ...]
    policy: Policy
    behaviour: ClusterBehaviour
    goals: tuple[Goal, ...]
    again: bool
    """True: a second rollout of the same nodes follows the first."""
    release: Release = NEW


def draw_scenario(seed: int) -> Scenario:
    """Draws the clusters, the policy and the goals of a history."""
    rng = Random(f"scene {seed}")
    names = ["east", "west"][: rng.choice([1, 1, 2])]
    pools = ["workers", "edge"][: rng.choice([1, 1, 2])]
    snapshots = tuple(_cluster(rng, name, pools) for name in names)
    canaries = rng.choice([0, 0, 1, 2])
    policy = draw_policy(rng, pools)
    goals = _goals(snapshots, policy, canaries)
    release = draw_release(seed)
    if release.digests:
        snapshots = tuple(_of_architectures(seed, snapshot) for snapshot in snapshots)
    snapshots = tuple(_with_volumes(_with_group(seed, snapshot)) for snapshot in snapshots)
    policy = replace(policy, quorums=draw_groups(seed, snapshots))
    behaviour = dataclasses.replace(_behaviour(rng), failures=_failures(seed, snapshots))
    return Scenario(snapshots, policy, behaviour, goals, rng.random() < 0.5, release)


def draw_policy(rng: Random, pools: Sequence[str]) -> Policy:
    return replace(
        a_policy(*(_pool(rng, name) for name in pools)), limits=_fleet_limits(rng), freezes=_freezes(rng)
    )


def draw_release(seed: int) -> Release:
    """Draws the release. Some releases are for several architectures, with an index over their manifests or without."""
    rng = Random(f"release {seed}")
    if rng.random() < 0.8:
        return NEW
    manifests = tuple((name, f"sha256:{index:064x}") for index, name in enumerate(ARCHITECTURES))
    return replace(NEW, digest=f"sha256:{'1' * 64}" if rng.random() < 0.5 else "", digests=manifests)


def _of_architectures(seed: int, snapshot: Snapshot) -> Snapshot:
    rng = Random(f"architectures {seed} {snapshot.cluster}")
    nodes = (
        replace(node, labels=node.labels | {ARCHITECTURE_LABEL: rng.choice(ARCHITECTURES)})
        for node in snapshot.nodes
    )
    return replace(snapshot, nodes=tuple(nodes))


def _with_group(seed: int, snapshot: Snapshot) -> Snapshot:
    """Adds a quorum group on some of the nodes of some clusters."""
    rng = Random(f"group {seed} {snapshot.cluster}")
    if rng.random() < 0.6:
        return snapshot
    count = min(rng.choice([1, 2, 3, 3, 3, 4, 5, 5]), len(snapshot.nodes))
    nodes = rng.sample(snapshot.nodes, count)
    sites = "".join(rng.choice("fns") for _ in nodes) if rng.random() < 0.4 else ""
    leader = rng.randrange(count)
    name = f"etcd-{snapshot.cluster}"
    group = a_group(nodes, name=name, cluster=snapshot.cluster, sites=sites, leader=leader)
    links = (Link("f", "n", 0.01), Link("f", "s", 0.16), Link("n", "s", 0.15)) if sites else ()
    kind = "etcd" if rng.random() < 0.8 else "zookeeper"
    return replace(snapshot, quorums=(replace(group, links=links, kind=kind),))


def _with_volumes(snapshot: Snapshot) -> Snapshot:
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


def draw_groups(seed: int, snapshots: Sequence[Snapshot]) -> tuple[QuorumGroup, ...]:
    """Draws the groups' declarations. A group of one or two voters may lose its quorum; otherwise the rollout could
    never end."""
    rng = Random(f"group rules {seed}")
    return tuple(
        QuorumGroup(
            group.name,
            snapshot.cluster,
            rule=QuorumRule(
                margin=rng.choice([0, 0, 1]) if len(group.members) >= 5 else 0,
                downtime="allow",
                stretch=rng.choice(["hold", "allow"]),
                soak_seconds=rng.choice([0, 30]),
                snapshot=SnapshotRule("/backup") if rng.random() < 0.8 else None,
                defragment=rng.random() < 0.3,
            ),
        )
        for snapshot in snapshots
        for group in snapshot.quorums
    )


def _failures(seed: int, snapshots: Sequence[Snapshot]) -> dict[str, Failure]:
    """Draws a node whose units fail after the boot in some scenarios, and one that boots its old release in others."""
    rng = Random(f"units {seed}")
    nodes = [node for snapshot in snapshots for node in snapshot.nodes]
    if rng.random() < 0.2:
        return {rng.choice(nodes).name: "stays-starting" if rng.random() < 0.2 else "unit-fails"}
    return {rng.choice(nodes).name: "old-version"} if rng.random() < 0.1 else {}


def _goals(snapshots: tuple[Snapshot, ...], policy: Policy, canaries: int) -> tuple[Goal, ...]:
    found: list[Goal] = []
    for snapshot in snapshots:
        for node in snapshot.nodes:
            pool = policy.pool_of(snapshot.cluster, node)
            if pool is not None:
                ref = NodeRef(snapshot.cluster, node.name)
                canary = len(found) < canaries
                found.append(Goal(ref, node.uid, pool.name, snapshot.site, node.zone, canary=canary))
    return tuple(found)


def _pool(rng: Random, name: str) -> Pool:
    def some(low: int, high: int) -> Amount:
        return (
            Amount(rng.choice([10, 25, 40]), True) if rng.random() < 0.2 else Amount(rng.randint(low, high))
        )

    def perhaps(low: int, high: int) -> Amount | None:
        return some(low, high) if rng.random() < 0.4 else None

    limits = Limits(some(1, 4), perhaps(1, 2), perhaps(1, 3), perhaps(1, 3))
    return a_pool(
        name,
        limits=limits,
        drain=DrainRule(
            unmanaged=rng.choice(["hold", "hold", "evict"]),
            local_data=rng.choice(["hold", "evict", "evict"]),
            host_path=rng.choice(["hold", "evict", "evict"]),
            no_room=rng.choice(["hold", "hold", "evict"]),
            timeout_seconds=rng.choice([300, 900]),
            rules=_rules(name, limits),
        ),
        stage=StageRule(concurrency=rng.randint(1, 4), timeout_seconds=400),
        reboot=RebootRule(timeout_seconds=400),
        soak_seconds=rng.choice([0, 30, 120]),
        failure_limit=rng.choice([1, 2, 3, Amount(30, True)]),
        windows=_windows(rng),
    )


def _rules(pool: str, limits: Limits) -> tuple[PodRule, ...]:
    """Draws drain rules of some pools. They are drawn by the pool's own values, so that older seeds still have
    the same histories otherwise."""
    rng = Random(f"rules {pool} {limits}")
    if rng.random() >= 0.4:
        return ()
    do: Do = rng.choice(["wait", "ask", "ask", "ask", "ask", "skip", "hold", "evict"])
    term = PodRuleTerm(selector=Selector({"app": f"app-{rng.randint(0, 2)}"}))
    return (
        PodRule("drawn", do, (term,), order=rng.choice([-1, 0, 1]), timeout_seconds=rng.choice([None, 60])),
    )


def _windows(rng: Random) -> tuple[Window, ...]:
    """Draws windows. Histories begin on a Monday at 09:00 UTC."""
    if rng.random() < 0.75:
        return ()
    minutes = rng.choice([10, 20, 60])
    begins = [time(9, rng.randint(0, 20)), time(rng.randint(10, 20), 0)]
    return tuple(Window(tuple(range(7)), each, _later(each, minutes)) for each in begins)


def _later(begin: time, minutes: int) -> time:
    total = begin.hour * 60 + begin.minute + minutes
    return time(total // 60, total % 60)


def _freezes(rng: Random) -> tuple[Freeze, ...]:
    if rng.random() < 0.85:
        return ()
    begin = START + timedelta(seconds=rng.uniform(-600, 900))
    return (Freeze("stocktaking", begin, begin + timedelta(hours=rng.randint(1, 6))),)


def _fleet_limits(rng: Random) -> Limits:
    return Limits(max_unavailable=Amount(rng.randint(1, 4)) if rng.random() < 0.3 else None)


def _behaviour(rng: Random) -> ClusterBehaviour:
    return ClusterBehaviour(
        pod_start=SpreadLength(2, 30),
        pod_stop=SpreadLength(1, 20),
        stage=SpreadLength(10, 90),
        stage_reports=rng.choice([0, 0, 3]),
        reboot=SpreadLength(20, 200),
        budget=SpreadLength(0.05, rng.choice([0.3, 2.0])),
    )


def _cluster(rng: Random, cluster: str, pools: list[str]) -> Snapshot:
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
        made = a_deployment(name, replicas, rng.sample(nodes, count))
        oddity = {**_distance(rng, name), **_oddity(rng), **_tolerant(cluster, count, replicas, name)}
        workloads += made[0]
        pods += [replace(pod, uid=f"{cluster}-{pod.uid}", **oddity) for pod in made[1]]
        if rng.random() < 0.8:
            allowed = rng.randint(1, 2)
            budgets.append(a_budget(name, replicas, min(allowed, replicas)))
    if rng.random() < 0.3:
        made = _stateful(cluster, rng.sample(nodes, count))
        workloads += made[0]
        # Drawn by the nodes, so that older seeds still tell the same histories otherwise.
        if Random(f"roles {[node.labels for node in nodes]}").random() < 0.25:
            pods += _with_roles(made[1])
            budgets += _role_budgets(len(made[1]))
        else:
            pods += made[1]
            budgets.append(a_budget("db", len(made[1]), 1))
    if Random(f"operator {cluster} {[node.zone for node in nodes]}").random() < 0.12:
        owned = _operator(cluster, nodes)
        workloads += owned[0]
        pods += owned[1]
        budgets.append(a_budget("manager", count, 0))
    pods += _lonely(rng, cluster, nodes)
    if rng.random() < 0.08:
        job, pod, budget = _job(cluster, rng.choice(nodes))
        workloads.append(job)
        pods.append(pod)
        budgets.append(budget)
    site = {"east": "fra", "west": "ams"}[cluster]
    made_up = a_snapshot(nodes, (workloads, pods), budgets, cluster=cluster, machines=machines)
    return replace(made_up, site=site)


def _distance(rng: Random, app: str) -> dict[str, Any]:
    """Draws how pods spread: there may be more of them than nodes or zones to keep apart on."""
    if rng.random() >= 0.3:
        return {}
    others = (Requirement("app", "In", (app,)),)
    topology = rng.choice([HOSTNAME_LABEL, ZONE_LABEL])
    return {"apart": (SpreadRule(topology, others, ("web",), rng.choice([0, 0, 1])),)}


def _tolerant(cluster: str, nodes: int, replicas: int, app: str) -> dict[str, Any]:
    """Makes some pods tolerate a cordon: they come back to the node under drain, which is the emptiest."""
    if Random(f"tolerant {cluster} {nodes} {replicas} {app}").random() >= 0.06:
        return {}
    return {"tolerations": (Toleration(operator="Exists"),)}


def _operator(cluster: str, nodes: list[Node]) -> tuple[list[Workload], list[Pod]]:
    """Adds a pod on each node whose budget allows nothing until its operator, here a person, opens the budget."""
    workloads, pods = a_deployment("manager", len(nodes), nodes)
    labels = {"app": "manager", "longhorn.io/component": "instance-manager"}
    return workloads, [replace(pod, uid=f"{cluster}-{pod.uid}", labels=labels) for pod in pods]


def _stateful(cluster: str, nodes: list[Node]) -> tuple[list[Workload], list[Pod]]:
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


def _with_roles(pods: list[Pod]) -> list[Pod]:
    """Labels one of the pods as the primary, as an operator does."""
    roles = ["primary", *["replica"] * (len(pods) - 1)]
    return [
        replace(pod, labels={**pod.labels, ROLE_LABEL: role}) for pod, role in zip(pods, roles, strict=True)
    ]


def _role_budgets(pods: int) -> list[Budget]:
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


def _machine(rng: Random, node: Node) -> Machine:
    machine = a_machine(node)
    # Drawn by its name, so that older seeds still tell the same histories otherwise.
    if Random(f"units {node.name} {node.labels}").random() < 0.2:
        machine = replace(machine, units=Units("degraded", ("smartd.service",)))
    return replace(machine, reported=False) if rng.random() < 0.03 else machine


def _oddity(rng: Random) -> dict[str, Any]:
    drawn = rng.random()
    if drawn < 0.04:
        # It stays where it is: nobody may have to keep apart from it.
        return {"finalizers": True, "apart": ()}
    if drawn < 0.10:
        return {"local_data": True}
    return {"host_path": True} if drawn < 0.16 else {}


def _lonely(rng: Random, cluster: str, nodes: list[Node]) -> list[Pod]:
    """Returns a pod without an owner."""
    if rng.random() < 0.9:
        return []
    return [Pod("ops", "debug", f"{cluster}-debug", node=rng.choice(nodes).name, labels={"app": "debug"})]


def _job(cluster: str, node: Node) -> tuple[Workload, Pod, Budget]:
    """Returns a Job's pod with a budget that cannot be computed: Jobs have no scale."""
    job = Workload("Job", "batch", "crunch", f"{cluster}-crunch", 1, 1)
    owner = Owner("Job", "crunch", job.uid)
    labels = {"app": "crunch"}
    pod = Pod("batch", "crunch-1", f"{cluster}-crunch-1", node=node.name, labels=labels, owner=owner)
    budget = Budget("batch", "crunch", "pdb-crunch", selector=Selector(labels), max_unavailable=1)
    return job, pod, budget
