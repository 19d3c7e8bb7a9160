"""The fleet of the demo: five sites, five clusters, and one of each problem that a real fleet has."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import SITE_LABEL, ZONE_LABEL, Node, NodeRef, Resources
from fleet.core.objects.pod import Pod
from fleet.core.policy.policy import site_of
from fleet.core.quorum.quorum import Link, Member, Quorum
from fleet.core.releases.release import Release
from fleet.model.behaviour import ClusterBehaviour, Failure, SpreadLength
from fleet.simulated.fleets import booted, make_cluster
from fleet.simulated.shape import POOL_LABEL, PoolShape, Shape
from fleet.simulated.workloads import budget, deployment

BEGAN = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
SEED = 7
SPEED = 60.0
"""Simulated seconds per second of the wall clock: a rollout of half an hour takes half a minute."""

OLD = Release(
    "44.20260928.3.0", "sha256:0d5c1f2be9a7438c6ef0b2d94a71c85e3f60927db8143ca5e7f9d0618b2c34ea", "6.10.12"
)
CURRENT = Release(
    "44.20261015.3.0", "sha256:4f1d9a7be0c35582b6a6d1f1a7d2c9e8037b5c64f0e91d2a83b7c6d5e4f30912", "6.11.4"
)
NEW = Release(
    "44.20261101.3.0", "sha256:b81c2e6f90d347a5c1e8f7063b92d4a5e6f708192a3b4c5d6e7f8091a2b3c4d5", "6.12.9"
)
HOMEMADE = Release(
    "44.20261015.dev.1",
    "sha256:7a90e4c18d3f526b0b1c9d8e7f6a5b4c3d2e1f00f1e2d3c4b5a697887766554f",
    "6.11.4-trace",
)
"""A release of no stream, which a user has installed on a node."""

POLICY = f"""\
# The policy of the simulated fleet. docs/policy.md describes every key.

streams:
  - name: stable
    releases:
      - version: {OLD.version}
        digest: {OLD.digest}
        kernel: {OLD.kernel}
      - version: {CURRENT.version}
        digest: {CURRENT.digest}
        kernel: {CURRENT.kernel}
      - version: {NEW.version}
        digest: {NEW.digest}
        kernel: {NEW.kernel}

defaults:
  stream: stable
  soak: 60s
  drain:
    unmanaged: hold
    timeout: 30m
  reboot:
    timeout: 10m

pools:
  - name: control
    selector:
      matchLabels:
        {POOL_LABEL}: control
    limits:
      max_unavailable: 3
      per_cluster: 1
    soak: 2m

  - name: storage
    selector:
      matchLabels:
        {POOL_LABEL}: storage
    limits:
      max_unavailable: 1
      per_cluster: 1
    windows:
      - days: mon-fri
        from: "22:00"
        to: "04:00"
        zone: Europe/Berlin

  - name: workers
    selector:
      matchLabels:
        {POOL_LABEL}: workers
    limits:
      max_unavailable: 20%
      per_zone: 25%
    stage:
      concurrency: 30
    canaries: 2
    failure_limit: 3

quorums:
  - name: west-etcd
    cluster: west
    kind: etcd
    snapshot: {{directory: snapshots}}
"""

FAILING = "n-0124"
"""A node in west that boots its old version."""
CORDONED = "n-0112"
"""A node in west that a user has cordoned."""
DRIFTED = "n-0121"
"""A node in west with a release of no stream."""
CHECKOUT = "n-0011"
"""A node in east with the only pod of web/checkout, whose budget wants one."""
DEBUG = "n-0019"
"""A node in east with ops/debug, a pod without an owner."""

STRETCHED = ("nyc", "bos", "iad")
"""The sites of the members of west's etcd."""
LINKS = (Link("nyc", "bos", 0.006), Link("nyc", "iad", 0.007), Link("bos", "iad", 0.012))

ENTRIES = 1_250_000
"""The number of entries that an etcd has applied."""

WORKER = Resources(8000, 32 << 30, 110)
LARGE = Resources(16000, 64 << 30, 110)
SMALL = Resources(4000, 8 << 30, 60)


class DemoCluster(Struct, frozen=True):
    """One cluster of the demo. `unreachable`: why it does not answer; empty if it does."""

    name: str
    site: str
    snapshot: Snapshot
    behaviour: ClusterBehaviour
    unreachable: str = ""


def demo_fleet(at: datetime = BEGAN, seed: int = SEED) -> tuple[DemoCluster, ...]:
    """Returns the clusters of the demo, generated from the seed."""
    east = make_cluster("east", "fra", _large("fra", 34, 4, 1), [OLD, CURRENT], seed, at)
    east = _change(east, lambda node: node.labels[POOL_LABEL] == "storage", _boots(NEW))
    west = make_cluster("west", "nyc", _large("nyc", 30, 4, 101), [CURRENT], seed, at)
    west = _change(west, lambda node: node.name == DRIFTED, _boots(HOMEMADE))
    west = _change(west, lambda node: node.name == CORDONED, _cordoned)
    edges = [
        make_cluster(f"edge-{number}", "sin", _edge(100 * number + 101), [OLD], seed, at)
        for number in (1, 2, 3)
    ]
    west = stacked_etcd(_stretched(west), "west-etcd", LINKS)
    east, edges = stacked_etcd(east), [stacked_etcd(edge) for edge in edges]
    return (
        DemoCluster("east", "fra", _debug(_checkout(east)), _behaviour({})),
        DemoCluster("west", "nyc", west, _behaviour({FAILING: "old-version"})),
        *(DemoCluster(edge.cluster, edge.site, edge, _behaviour({})) for edge in edges[:2]),
        DemoCluster("edge-3", "sin", edges[2], _behaviour({}), "connection refused"),
    )


def _behaviour(failures: dict[str, Failure]) -> ClusterBehaviour:
    return ClusterBehaviour(
        pod_start=SpreadLength(5, 30),
        pod_restart=SpreadLength(3, 8),
        pod_stop=SpreadLength(3, 15),
        stage=SpreadLength(60, 120),
        stage_reports=4,
        reboot=SpreadLength(60, 120),
        agent=SpreadLength(0.5, 2),
        budget=0.3,
        failures=failures,
    )


def _large(site: str, workers: int, storage: int, first: int) -> Shape:
    pools = (
        PoolShape("workers", workers, WORKER),
        PoolShape("storage", storage, LARGE),
        PoolShape("control", 3, SMALL, control=True),
    )
    zones = tuple(f"{site}-{letter}" for letter in "abc")
    return Shape(pools, zones, deployments=24, sets=3, jobs=2, first=first)


def _edge(first: int) -> Shape:
    pools = (PoolShape("workers", 8, SMALL), PoolShape("control", 1, SMALL, control=True))
    return Shape(pools, ("sin-a",), deployments=6, sets=1, jobs=0, first=first)


def _boots(release: Release) -> Callable[[Node, Machine], tuple[Node, Machine]]:
    return lambda node, machine: booted(node, machine, release)


def _cordoned(node: Node, machine: Machine) -> tuple[Node, Machine]:
    return replace(node, unschedulable=True), machine


def _change(
    snapshot: Snapshot,
    chosen: Callable[[Node], bool],
    change: Callable[[Node, Machine], tuple[Node, Machine]],
) -> Snapshot:
    pairs = [
        change(node, machine) if chosen(node) else (node, machine)
        for node, machine in zip(snapshot.nodes, snapshot.machines, strict=True)
    ]
    nodes, machines = zip(*pairs, strict=True)
    return replace(snapshot, nodes=nodes, machines=machines)


def _stretched(snapshot: Snapshot) -> Snapshot:
    """Spreads the control plane over three sites."""
    control = (node.name for node in snapshot.nodes if node.labels[POOL_LABEL] == "control")
    sites = dict(zip(control, STRETCHED, strict=True))
    nodes = (
        replace(
            node, labels=node.labels | {SITE_LABEL: sites[node.name], ZONE_LABEL: f"{sites[node.name]}-a"}
        )
        if node.name in sites
        else node
        for node in snapshot.nodes
    )
    return replace(snapshot, nodes=tuple(nodes))


def stacked_etcd(snapshot: Snapshot, name: str = "", links: tuple[Link, ...] = ()) -> Snapshot:
    """Returns a stacked etcd: a member on each control-plane node; the first leads."""
    nodes = [node for node in snapshot.nodes if node.labels[POOL_LABEL] == "control"]
    members = tuple(
        Member(
            node.name,
            NodeRef(snapshot.cluster, node.name),
            site_of(node, snapshot.site),
            reachable=True,
            leader=node is nodes[0],
            index=ENTRIES,
            version="3.6.5",
            size=96 << 20,
            in_use=71 << 20,
            seconds=0.002,
        )
        for node in nodes
    )
    group = Quorum(name or f"{snapshot.cluster}/etcd", members=members, links=links)
    return replace(snapshot, quorums=(*snapshot.quorums, group))


def _checkout(snapshot: Snapshot) -> Snapshot:
    """Adds a budget that can never allow an eviction."""
    pod = Pod("", "", "", node=CHECKOUT, requests=Resources(250, 512 << 20, 1))
    workloads, pods = deployment("web", "checkout", 1, replace(pod, node_selector={POOL_LABEL: "workers"}))
    checkout_budget = budget("web", "checkout", 1, min_available=1)
    return replace(
        snapshot,
        pods=(*snapshot.pods, *pods),
        workloads=(*snapshot.workloads, *workloads),
        budgets=(*snapshot.budgets, checkout_budget),
    )


def _debug(snapshot: Snapshot) -> Snapshot:
    pod = Pod("ops", "debug", "p-ops-debug", node=DEBUG, labels={"run": "debug"})
    return replace(snapshot, pods=(*snapshot.pods, pod))
