"""Makes fleets of any size and three shapes from a seed: some ten pods a node, spread over the nodes at random."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import ZONE_LABEL, Node, Resources
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.selector import Selector
from fleet.core.objects.workload import Workload
from fleet.core.policy.policy import Amount, Limits, Policy, Pool, StageRule
from fleet.core.releases.release import Release, Stream
from fleet.simulated.fleets import booted
from fleet.simulated.shape import POOL_LABEL
from fleet.simulated.workloads import budget, deployment

START = datetime(2026, 11, 1, tzinfo=UTC)
OLD = Release("1.0", "sha256:1", "6.1")
NEW = Release("2.0", "sha256:2", "6.2")
PODS_A_NODE = 10
SIZE = Resources(16000, 64 << 30, 110)
PLAIN = Pod("", "", "", requests=Resources(250, 256 << 20, 1))
STAGED_AT_ONCE = 500


class App(NamedTuple):
    replicas: int
    rule: Mapping[str, int | str]
    """The rule of its PodDisruptionBudget; empty: it has no budget."""
    quorum: bool = False
    """True for a StatefulSet, which replaces a pod only once the old one is gone."""


Shape = Callable[[int, Random], Iterator[App]]
"""Yields the apps of a fleet with that number of nodes."""


def small(nodes: int, rng: Random) -> Iterator[App]:
    """Yields many apps with small budgets: 33 pods each, of which one to three may be away."""
    left = nodes * PODS_A_NODE
    while left > 0:
        replicas = min(left, rng.randint(16, 50))
        left -= replicas
        yield App(replicas, {"max_unavailable": rng.randint(1, 3)} if replicas > 1 else {})


def tight(nodes: int, rng: Random) -> Iterator[App]:
    """Yields ten apps with a tight budget, each with a pod on every tenth node, of which one may be away; and apps without a
    budget."""
    for _ in range(10):
        yield App(max(3, nodes // 10), {"max_unavailable": 1})
    left = nodes * (PODS_A_NODE - 1)
    while left > 0:
        replicas = min(left, rng.randint(2, 40))
        left -= replicas
        yield App(replicas, {})


def skewed(nodes: int, rng: Random) -> Iterator[App]:
    """Yields three apps with a pod on every node, of which 5 % may be away; quorum groups of three and five; small apps."""
    for _ in range(3):
        yield App(nodes, {"max_unavailable": "5%"})
    for _ in range(nodes // 25):
        yield App(rng.choice((3, 5)), {"max_unavailable": 1}, quorum=True)
    left = nodes * (PODS_A_NODE - 4)
    while left > 0:
        replicas = min(left, rng.choice((2, 3, 3, 4, 6, 12, 40)))
        left -= replicas
        rule = rng.choice(({"max_unavailable": 1}, {"min_available": "50%"}, {"max_unavailable": "25%"}, {}))
        yield App(replicas, rule if replicas > 1 else {})


SHAPES: Mapping[str, Shape] = {"small": small, "tight": tight, "skewed": skewed}


def make(shape: str, count: int, seed: int = 1) -> Snapshot:
    """Returns a cluster in which every pod is Ready and every budget is counted."""
    rng = Random(f"{shape} {count} {seed}")
    return fleet_of(SHAPES[shape](count, rng), count, rng)


def fleet_of(apps: Iterable[App], count: int, rng: Random) -> Snapshot:
    """Returns a cluster of `count` nodes, over which the pods of the apps are spread at random."""
    pairs = [_node(index) for index in range(count)]
    names = [node.name for node, _ in pairs]
    pods: list[Pod] = []
    budgets: list[Budget] = []
    workloads: list[Workload] = []
    for index, app in enumerate(apps):
        made, fresh = _app(f"{'set' if app.quorum else 'app'}-{index}", app)
        workloads += made
        places = rng.sample(names, len(fresh)) if len(fresh) <= count else rng.choices(names, k=len(fresh))
        pods += [replace(pod, node=place) for pod, place in zip(fresh, places, strict=True)]
        if app.rule:
            budgets.append(
                budget("apps", f"{'set' if app.quorum else 'app'}-{index}", app.replicas, **app.rule)
            )
    return Snapshot(
        cluster="bench",
        site="bench",
        at=START,
        server_version="v1.36.3",
        nodes=tuple(node for node, _ in pairs),
        pods=tuple(pods),
        budgets=tuple(budgets),
        workloads=tuple(workloads),
        machines=tuple(machine for _, machine in pairs),
    )


def policy(limit: int | None) -> Policy:
    """Returns a policy with one pool of all nodes. `limit`: nodes unavailable; None: as many as budgets allow. There is no
    soak, since the other tools have none either."""
    limits = Limits(Amount(limit) if limit is not None else None)
    pool = Pool(
        "workers",
        Selector({POOL_LABEL: "workers"}),
        stream="stable",
        limits=limits,
        stage=StageRule(concurrency=STAGED_AT_ONCE),
        soak_seconds=0,
    )
    return Policy(pools=(pool,), streams=(Stream("stable", (OLD, NEW)),))


def _node(index: int) -> tuple[Node, Machine]:
    name = f"n-{index:05}"
    labels = {ZONE_LABEL: "abc"[index % 3], POOL_LABEL: "workers"}
    node = Node(name, f"uid-{name}", labels=labels, boot_id=f"boot-{name}", allocatable=SIZE)
    machine = Machine(name, f"m-{name}", os="simulated", boot_id=node.boot_id, reported=True)
    return booted(node, machine, OLD)


def _app(name: str, app: App) -> tuple[list[Workload], list[Pod]]:
    if not app.quorum:
        made, pods = deployment("apps", name, app.replicas, PLAIN)
        # Names made by chance would come twice among the many pods of a giant.
        return made, [
            replace(pod, name=f"{pod.name}-{number}", uid=f"{pod.uid}-{number}")
            for number, pod in enumerate(pods)
        ]
    owner = Owner("StatefulSet", name, f"sts-{name}")
    made = [Workload("StatefulSet", "apps", name, owner.uid, app.replicas, app.replicas)]
    return made, [
        replace(
            PLAIN,
            namespace="apps",
            name=f"{name}-{ordinal}",
            uid=f"p-{name}-{ordinal}",
            labels={"app": name},
            owner=owner,
        )
        for ordinal in range(app.replicas)
    ]
