"""Builds objects of a cluster in a few lines, with defaults that suit most tests."""

from __future__ import annotations

from datetime import UTC, datetime

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import ZONE_LABEL, Node, NodeRef, Resources
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.selector import Selector
from fleet.core.objects.workload import Workload
from fleet.core.policy.policy import Amount, Limits, Policy, Pool
from fleet.core.quorum.quorum import Member, Quorum
from fleet.core.releases.release import Release, Stream

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
OLD = Release("44.20261015.3.0", "sha256:" + "a" * 64, "6.11.4")
NEW = Release("44.20261101.3.0", "sha256:" + "b" * 64, "6.12.9")


def a_node(name: str, zone: str = "a", pool: str = "workers", **changes: object) -> Node:
    """Returns a Ready node."""
    facts: dict[str, object] = {
        "uid": f"uid-{name}",
        "labels": {ZONE_LABEL: zone, "pool": pool},
        "boot_id": f"boot-{name}",
        "machine_id": f"machine-{name}",
        "os_image": f"Simulated OS {OLD.version}",
        "kernel": OLD.kernel,
        "kubelet": "v1.36.3",
        "allocatable": Resources(8000, 32 << 30, 110),
    }
    return Node(name=name, **(facts | changes))  # type: ignore[arg-type]


def a_machine(node: Node, booted: Release = OLD) -> Machine:
    """Returns the Machine of a node, with an agent that has reported."""
    return Machine(
        name=node.name,
        uid=f"machine-{node.name}",
        os="simulated",
        booted=booted,
        boot_id=node.boot_id,
        kernel=node.kernel,
        reported=True,
    )


def a_deployment(
    name: str, replicas: int, nodes: list[Node], namespace: str = "web"
) -> tuple[list[Workload], list[Pod]]:
    """Returns a Deployment whose pods are spread over the nodes in turn, all Ready."""
    deployment = Workload("Deployment", namespace, name, f"d-{name}", replicas, replicas)
    owner = Owner("Deployment", name, deployment.uid)
    replica_set = Workload("ReplicaSet", namespace, f"{name}-1", f"rs-{name}", replicas, replicas, owner)
    pods = [
        Pod(
            namespace,
            f"{name}-1-{index}",
            f"pod-{name}-{index}",
            node=nodes[index % len(nodes)].name,
            labels={"app": name},
            owner=Owner("ReplicaSet", replica_set.name, replica_set.uid),
            requests=Resources(100, 128 << 20, 1),
        )
        for index in range(replicas)
    ]
    return [deployment, replica_set], pods


def a_budget(name: str, replicas: int, max_unavailable: int, namespace: str = "web", app: str = "") -> Budget:
    """Returns a budget whose status counts `replicas` healthy pods."""
    return Budget(
        namespace,
        name,
        f"pdb-{name}",
        selector=Selector({"app": app or name}),
        max_unavailable=max_unavailable,
        disruptions_allowed=max_unavailable,
        current_healthy=replicas,
        desired_healthy=replicas - max_unavailable,
        expected_pods=replicas,
    )


def a_snapshot(
    nodes: list[Node],
    workloads: tuple[list[Workload], list[Pod]] = ([], []),
    budgets: list[Budget] | None = None,
    *,
    cluster: str = "east",
    machines: list[Machine] | None = None,
    quorums: tuple[Quorum, ...] = (),
) -> Snapshot:
    """Returns a cluster of these objects, with a Machine for each node."""
    return Snapshot(
        cluster=cluster,
        site="fra",
        at=START,
        server_version="v1.36.3",
        nodes=tuple(nodes),
        pods=tuple(workloads[1]),
        budgets=tuple(budgets or ()),
        workloads=tuple(workloads[0]),
        machines=tuple(machines if machines is not None else [a_machine(node) for node in nodes]),
        quorums=quorums,
    )


def a_pool(name: str = "workers", **changes: object) -> Pool:
    """Returns a pool of nodes with the label `pool`."""
    facts: dict[str, object] = {
        "selector": Selector({"pool": name}),
        "stream": "stable",
        "limits": Limits(max_unavailable=Amount(2)),
        "canaries": 0,
        "soak_seconds": 30,
    }
    return Pool(name=name, **(facts | changes))  # type: ignore[arg-type]


def a_policy(*pools: Pool) -> Policy:
    return Policy(pools=pools or (a_pool(),), streams=(Stream("stable", (OLD, NEW)),))


def a_group(
    nodes: list[Node], *, name: str = "etcd", cluster: str = "east", sites: str = "", leader: int = 0
) -> Quorum:
    """Returns a group with a voter on each node, all up to date, `m0` on the first. `sites`: a letter for each; empty:
    one site."""
    members = tuple(
        Member(
            f"m{index}",
            NodeRef(cluster, node.name),
            sites[index] if sites else "fra",
            reachable=True,
            leader=index == leader,
            index=100_000,
            version="3.6.8",
        )
        for index, node in enumerate(nodes)
    )
    return Quorum(name, members=members)
