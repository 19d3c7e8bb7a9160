"""Generates clusters from a shape and a seed: nodes in pools and zones, and workloads with budgets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.budget import Budget, share
from fleet.core.objects.machine import Machine, Units
from fleet.core.objects.node import ZONE_LABEL, Node, Resources, Taint, Toleration
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.selector import Selector
from fleet.core.objects.workload import Workload
from fleet.core.releases.release import Release
from fleet.model.control_plane.scheduler import Scheduler
from fleet.model.objects import Objects

POOL_LABEL = "fleet.internal/pool"
CONTROL_TAINT = Taint("node-role.kubernetes.io/control-plane", "NoSchedule")
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
ODD = 29
"""One in so many nodes has a unit that failed before any rollout; another has a package layered on its release."""
SPACES = ("web", "shop", "core", "data", "ops", "batch")


class PoolShape(Struct, frozen=True):
    name: str
    nodes: int
    size: Resources = Resources(8000, 32 << 30, 110)
    control: bool = False
    """Control-plane nodes: tainted, with static pods."""


class Shape(Struct, frozen=True):
    """The shape of a cluster. Deployments run in its first pool, StatefulSets in the one named `storage`, if any."""

    pools: tuple[PoolShape, ...]
    zones: tuple[str, ...] = ("a", "b", "c")
    deployments: int = 12
    """The number of Deployments, with 2 to 6 replicas each."""
    sets: int = 2
    """The number of StatefulSets, with 3 replicas each."""
    jobs: int = 1
    first: int = 1
    """The number in the first node's name. Names are unique in a fleet if the next cluster counts on from there."""


class Grown(Struct):
    """The objects of a cluster while it is generated."""

    nodes: list[Node]
    machines: list[Machine]
    pods: list[Pod]
    budgets: list[Budget]
    workloads: list[Workload]


def make_cluster(
    name: str,
    site: str,
    shape: Shape,
    releases: Sequence[Release],
    seed: int,
    at: datetime,
    server_version: str = "v1.36.3",
) -> Snapshot:
    """Every pod is Ready and every budget counted. `releases`: what the nodes run, oldest first, mixed by chance.

    Raises ValueError if the pods do not fit on the nodes.
    """
    rng = Random(f"{name} {seed}")  # noqa: S311
    nodes, machines = _nodes(name, shape, releases, rng)
    grown = Grown(nodes, machines, [], [], [])
    _daemons(grown, rng)
    _static_pods(grown, shape)
    _deployments(grown, shape, rng)
    _sets(grown, shape, rng)
    _jobs(grown, shape, rng)
    return Snapshot(
        cluster=name,
        site=site,
        at=at,
        server_version=server_version,
        nodes=tuple(nodes),
        pods=tuple(_placed(name, grown)),
        budgets=tuple(grown.budgets),
        workloads=tuple(grown.workloads),
        machines=tuple(machines),
    )


def booted(node: Node, machine: Machine, release: Release) -> tuple[Node, Machine]:
    """Returns the node and its machine with that release booted."""
    image = f"Simulated OS {release.version}"
    return (
        replace(node, os_image=image, kernel=release.kernel),
        replace(machine, booted=release, kernel=release.kernel),
    )


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


def _nodes(
    cluster: str, shape: Shape, releases: Sequence[Release], rng: Random
) -> tuple[list[Node], list[Machine]]:
    nodes, machines = [], []
    number = shape.first
    for pool in shape.pools:
        for index in range(pool.nodes):
            name = f"n-{number:04}"
            number += 1
            boot_id = _uuid(rng)
            labels = {
                "kubernetes.io/hostname": name,
                ZONE_LABEL: shape.zones[index % len(shape.zones)],
                POOL_LABEL: pool.name,
            }
            node = Node(
                name,
                f"{cluster}-{_uuid(rng)}",
                labels=labels,
                taints=(CONTROL_TAINT,) if pool.control else (),
                boot_id=boot_id,
                machine_id=f"{rng.getrandbits(128):032x}",
                kubelet="v1.36.3",
                allocatable=pool.size,
            )
            failed = ("smartd.service",) if number % ODD == 0 else ()
            machine = Machine(
                name,
                f"m-{cluster}-{name}",
                os="simulated",
                boot_id=boot_id,
                kernel_arguments="quiet console=ttyS0",
                layered=("strace",) if number % ODD == 1 else (),
                units=Units("degraded" if failed else "running", failed),
                reported=True,
            )
            # Most run the newest of them: an older one is what an interrupted upgrade has left.
            release = releases[-1] if rng.random() < 0.8 else rng.choice(releases)
            node, machine = booted(node, machine, release)
            nodes.append(node)
            machines.append(machine)
    return nodes, machines


def _daemons(grown: Grown, rng: Random) -> None:
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


def _static_pods(grown: Grown, shape: Shape) -> None:
    control = {pool.name for pool in shape.pools if pool.control}
    for node in grown.nodes:
        if node.labels[POOL_LABEL] not in control:
            continue
        for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
            pod = Pod("", "", "", node=node.name, mirror=True, requests=Resources(200, 512 << 20, 1))
            pod = _named(pod, "kube-system", f"{name}-{node.name}", name, Owner("Node", node.name, node.uid))
            grown.pods.append(replace(pod, tolerations=EVERYWHERE, host_path=True))


def _deployments(grown: Grown, shape: Shape, rng: Random) -> None:
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
    """Draws a budget rule that allows at least one eviction. A budget that never does is made on purpose only."""
    rule = rng.choice(RULES)
    if rule and budget("", "", replicas, **rule).disruptions_allowed == 0:
        return {"max_unavailable": 1}
    return rule


def _sets(grown: Grown, shape: Shape, rng: Random) -> None:
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


def _jobs(grown: Grown, shape: Shape, rng: Random) -> None:
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


def _placed(cluster: str, grown: Grown) -> Iterator[Pod]:
    """Returns the pods on the nodes that a scheduler gives them, those already bound first."""
    objects = Objects(cluster)
    bound = [pod for pod in grown.pods if pod.node]
    objects.load(grown.nodes, bound, (), (), ())
    scheduler = Scheduler(objects)
    yield from bound
    for pod in grown.pods:
        if pod.node:
            continue
        node = scheduler.choose(pod)
        if not node:
            raise ValueError(f"no room for pod {pod.ref} in made-up cluster {cluster}")
        pod = replace(pod, node=node)
        objects.put_pod(pod)
        yield pod


def _named(pod: Pod, space: str, name: str, app: str, owner: Owner) -> Pod:
    return replace(pod, namespace=space, name=name, uid=f"p-{space}-{name}", labels={"app": app}, owner=owner)


def _suffix(rng: Random, length: int) -> str:
    return "".join(rng.choices("bcdfghjklmnpqrstvwxz2456789", k=length))


def _uuid(rng: Random) -> str:
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
