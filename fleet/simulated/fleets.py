"""Generates clusters from a shape and a seed: nodes in pools and zones, and workloads with budgets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from random import Random

from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.machine import EtcChanges, Machine, Units
from fleet.core.objects.node import ZONE_LABEL, Node, Taint
from fleet.core.objects.pod import Pod
from fleet.core.releases.release import Release
from fleet.model.control_plane.scheduler import Scheduler
from fleet.model.objects import Objects
from fleet.simulated.shape import POOL_LABEL, Shape
from fleet.simulated.workloads import Grown, add_daemons, add_deployments, add_jobs, add_sets, add_static_pods

CONTROL_TAINT = Taint("node-role.kubernetes.io/control-plane", "NoSchedule")
ODD = 29
"""The number of nodes of which one has a unit that failed before any rollout, another one has a layered package, and
another one a changed configuration of its SSH server."""
CHANGED = ("A hostname", "A machine-id")
"""The files in /etc that every node has for itself."""


def make_cluster(
    name: str,
    site: str,
    shape: Shape,
    releases: Sequence[Release],
    seed: int,
    at: datetime,
    server_version: str = "v1.36.3",
) -> Snapshot:
    """Returns a cluster in which every pod is Ready and every budget is counted. `releases`: the releases of the nodes,
    oldest first, mixed at random.

    Raises ValueError if the pods do not fit on the nodes.
    """
    rng = Random(f"{name} {seed}")  # noqa: S311
    nodes, machines = _nodes(name, shape, releases, rng)
    grown = Grown(nodes, machines, [], [], [])
    add_daemons(grown, rng)
    add_static_pods(grown, shape)
    add_deployments(grown, shape, rng)
    add_sets(grown, shape, rng)
    add_jobs(grown, shape, rng)
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
                etc=EtcChanges(CHANGED + (("M ssh/sshd_config",) if number % ODD == 2 else ())),
                units=Units("degraded" if failed else "running", failed),
                reported=True,
            )
            # Most run the newest of them: an older one is what an interrupted upgrade has left.
            release = releases[-1] if rng.random() < 0.8 else rng.choice(releases)
            node, machine = booted(node, machine, release)
            nodes.append(node)
            machines.append(machine)
    return nodes, machines


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


def _uuid(rng: Random) -> str:
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
