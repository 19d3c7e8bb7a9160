"""Generates workloads with their pods and budgets."""

from __future__ import annotations

from random import Random

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.budget import Budget, share
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, Resources, Toleration
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.selector import Selector
from fleet.core.objects.workload import Workload
from fleet.simulated.shape import POOL_LABEL, Shape

EVERYWHERE = (Toleration(operator="Exists"),)
RULES: tuple[dict[str, int | str], ...] = (
    {"max_unavailable": 1},
    {"max_unavailable": 1},
    {"min_available": "50%"},
    {"min_available": "80%"},
    {"max_unavailable": "25%"},
    {},
)
"""The rules of the generated budgets; an empty one: no budget."""
NAMES = ("api", "auth", "cart", "feed", "geo", "mail", "media", "pay", "queue", "search", "stock", "users")
SETS = ("postgres", "redis", "kafka", "minio", "elastic", "etcd")
SPACES = ("web", "shop", "core", "data", "ops", "batch")


class Grown(Struct):
    """The objects of a cluster while it is generated."""

    nodes: list[Node]
    machines: list[Machine]
    pods: list[Pod]
    budgets: list[Budget]
    workloads: list[Workload]


def deployment(space: str, name: str, replicas: int, pod: Pod) -> tuple[list[Workload], list[Pod]]:
    """Returns a Deployment with its ReplicaSet and pods. `pod` is the template."""
    set_name = f"{name}-{_suffix(Random(f'{space}/{name}'), 9)}"  # noqa: S311
    owner, rng = Owner("ReplicaSet", set_name, f"rs-{space}-{name}"), Random(f"{space}/{name}")  # noqa: S311
    return [
        Workload("Deployment", space, name, f"d-{space}-{name}", replicas, replicas),
        Workload(
            "ReplicaSet",
            space,
            set_name,
            f"rs-{space}-{name}",
            replicas,
            replicas,
            Owner("Deployment", name, f"d-{space}-{name}"),
        ),
    ], [_named(pod, space, f"{set_name}-{_suffix(rng, 5)}", name, owner) for _ in range(replicas)]


def budget(space: str, name: str, replicas: int, **rule: int | str) -> Budget:
    """Returns a budget of the workload of that name, with the status that its controller would write; all pods are
    healthy."""
    made = Budget(space, name, f"b-{space}-{name}", Selector({"app": name}), **rule)  # type: ignore[arg-type]
    if made.min_available is not None:
        desired = share(made.min_available, replicas)
    else:
        desired = replicas - share(made.max_unavailable or 0, replicas)
    return replace(
        made,
        desired_healthy=desired,
        disruptions_allowed=max(0, replicas - desired),
        current_healthy=replicas,
        expected_pods=replicas,
    )


def add_daemons(grown: Grown, rng: Random) -> None:
    """Adds the pods of two DaemonSets on every node."""
    for name in ("network", "fleet-agent"):
        space = "kube-system" if name == "network" else "fleet-system"
        pod = Pod("", "", "", requests=Resources(50, 64 << 20, 1), tolerations=EVERYWHERE, host_path=True)
        count = len(grown.nodes)
        owner = Owner("DaemonSet", name, f"ds-{name}")
        grown.workloads.append(Workload("DaemonSet", space, name, f"ds-{name}", count, count))
        grown.pods += [
            replace(_named(pod, space, f"{name}-{_suffix(rng, 5)}", name, owner), node=node.name)
            for node in grown.nodes
        ]


def add_static_pods(grown: Grown, shape: Shape) -> None:
    """Adds the static pods of the nodes of control planes."""
    control = {pool.name for pool in shape.pools if pool.control}
    for node in grown.nodes:
        if node.labels[POOL_LABEL] not in control:
            continue
        for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
            pod = Pod("", "", "", node=node.name, mirror=True, requests=Resources(200, 512 << 20, 1))
            pod = _named(pod, "kube-system", f"{name}-{node.name}", name, Owner("Node", node.name, node.uid))
            grown.pods.append(replace(pod, tolerations=EVERYWHERE, host_path=True))


def add_deployments(grown: Grown, shape: Shape, rng: Random) -> None:
    """Adds the Deployments of the shape, spread over namespaces, with budgets."""
    for index in range(shape.deployments):
        space = SPACES[index % 4]
        name = NAMES[index % len(NAMES)] + ("" if index < len(NAMES) else f"-{index // len(NAMES) + 1}")
        replicas = rng.randint(2, 6)
        pod = Pod(
            "",
            "",
            "",
            local_data=rng.random() < 0.2,
            requests=Resources(rng.choice((100, 250, 500)), rng.choice((256, 512, 1024)) << 20, 1),
            node_selector={POOL_LABEL: shape.pools[0].name},
        )
        workloads, pods = deployment(space, name, replicas, pod)
        _add(grown, workloads, pods, space, name, _rule(replicas, rng))


def _rule(replicas: int, rng: Random) -> dict[str, int | str]:
    """Draws a budget rule that allows at least one eviction. A budget that allows none is only made on purpose."""
    rule = rng.choice(RULES)
    if rule and budget("", "", replicas, **rule).disruptions_allowed == 0:
        return {"max_unavailable": 1}
    return rule


def add_sets(grown: Grown, shape: Shape, rng: Random) -> None:
    """Adds the StatefulSets of the shape, on the nodes of the pool for storage if there is one."""
    pools = [pool.name for pool in shape.pools]
    pool = "storage" if "storage" in pools else pools[0]
    for index in range(shape.sets):
        name = SETS[index % len(SETS)] + ("" if index < len(SETS) else f"-{index // len(SETS) + 1}")
        pod = Pod(
            "",
            "",
            "",
            grace_seconds=rng.choice((30, 60)),
            requests=Resources(1000, 4 << 30, 1),
            node_selector={POOL_LABEL: pool},
        )
        owner = Owner("StatefulSet", name, f"sts-{name}")
        workload = Workload("StatefulSet", "db", name, f"sts-{name}", 3, 3)
        pods = [_named(pod, "db", f"{name}-{ordinal}", name, owner) for ordinal in range(3)]
        _add(grown, [workload], pods, "db", name, {"max_unavailable": 1})


def add_jobs(grown: Grown, shape: Shape, rng: Random) -> None:
    """Adds the Jobs of the shape, each with one pod and no budget."""
    for index in range(shape.jobs):
        name = f"import-{index + 1}"
        pod = Pod(
            "", "", "", requests=Resources(500, 1 << 30, 1), node_selector={POOL_LABEL: shape.pools[0].name}
        )
        owner = Owner("Job", name, f"job-{name}")
        pods = [_named(pod, "batch", f"{name}-{_suffix(rng, 5)}", name, owner)]
        _add(grown, [Workload("Job", "batch", name, f"job-{name}", 1, 1)], pods, "batch", name, {})


def _add(
    grown: Grown,
    workloads: list[Workload],
    pods: list[Pod],
    space: str,
    name: str,
    rule: dict[str, int | str],
) -> None:
    grown.workloads += workloads
    grown.pods += pods
    if rule:
        grown.budgets.append(budget(space, name, len(pods), **rule))


def _named(pod: Pod, space: str, name: str, app: str, owner: Owner) -> Pod:
    return replace(pod, namespace=space, name=name, uid=f"p-{space}-{name}", labels={"app": app}, owner=owner)


def _suffix(rng: Random, length: int) -> str:
    return "".join(rng.choices("bcdfghjklmnpqrstvwxz2456789", k=length))
