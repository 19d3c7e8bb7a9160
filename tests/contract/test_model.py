"""The model cluster answers as a real API server does: both pass the same cases."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.attachment import Attachment
from fleet.core.objects.budget import Budget
from fleet.core.objects.daemonset import DaemonTemplate
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, Resources, Taint, Toleration
from fleet.core.objects.pod import Owner, Pod, PodRef
from fleet.core.objects.selector import Selector
from fleet.core.objects.volumes import PersistentVolume
from fleet.core.objects.workload import Workload
from fleet.core.releases.release import Release
from fleet.drivers.ports import Cluster
from fleet.model.behaviour import ClusterBehaviour, SpreadLength
from fleet.simulated.clock import SimulatedClock
from fleet.simulated.cluster import SimulatedCluster, create
from tests.contract.cases import CASES, Case
from tests.contract.world import NAMESPACE, Kind, World

BEGAN = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
SPEED = 5.0
NEVER = 1e9


class ModelWorld:
    """A simulated cluster in a folder; it begins when the case first asks for it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "east.json"
        self._nodes: list[Node] = []
        self._machines: list[Machine] = []
        self._pods: list[Pod] = []
        self._budgets: list[Budget] = []
        self._workloads: list[Workload] = []
        self._starts: dict[str, float] = {}
        self._stops: dict[str, float] = {}
        self._clusters: list[SimulatedCluster] = []

    @property
    def cluster(self) -> Cluster:
        return self._own

    @property
    def _own(self) -> SimulatedCluster:
        if not self._clusters:
            behaviour = ClusterBehaviour(
                pod_start=SpreadLength(NEVER, NEVER, self._starts),
                pod_stop=SpreadLength(NEVER, NEVER, self._stops),
                agent=NEVER,
            )
            create(self._path, self._snapshot(), behaviour, 1, BEGAN)
            self._clusters.append(self._open())
        return self._clusters[0]

    async def another(self) -> Cluster:
        assert self._own
        self._clusters.append(self._open())
        return self._clusters[-1]

    async def add_nodes(self, count: int) -> None:
        assert not self._clusters
        for number in range(len(self._nodes), len(self._nodes) + count):
            name, boot_id = f"n-{number}", f"boot-{number}"
            size = Resources(8000, 32 << 30, 20)
            self._nodes.append(Node(name, f"uid-{name}", boot_id=boot_id, allocatable=size))
            release = Release("1.0", "sha256:01", "6.1.0")
            self._machines.append(
                Machine(name, f"m-{name}", os="simulated", booted=release, boot_id=boot_id, reported=True)
            )

    async def add_workload(
        self,
        kind: Kind,
        name: str,
        replicas: int,
        *,
        labels: Mapping[str, str] | None = None,
        ready_after: float | None = 0.2,
        gone_after: float = 0.2,
    ) -> None:
        assert not self._clusters
        uid, owner = f"uid-{kind}-{name}", None
        if kind == "Deployment":
            self._workloads.append(Workload("Deployment", NAMESPACE, name, uid, replicas))
            owner, uid = Owner("Deployment", name, uid), f"uid-rs-{name}"
        set_kind, set_name = ("ReplicaSet", f"{name}-5d8f") if owner else (kind, name)
        self._workloads.append(Workload(set_kind, NAMESPACE, set_name, uid, replicas, owner=owner))
        for number in range(replicas):
            self._add(f"{set_name}-{number}", name, labels, Owner(set_kind, set_name, uid))
        self._takes(set_name, ready_after, gone_after)

    async def add_daemonset(
        self, name: str, selector: Mapping[str, str], tolerations: Sequence[Toleration] = ()
    ) -> None:
        self._takes(name, 0.2, 0.2)
        template = DaemonTemplate(node_selector=dict(selector), tolerations=tuple(tolerations))
        self._own.stranger.put_daemonset(
            Workload("DaemonSet", NAMESPACE, name, f"uid-ds-{name}", daemon=template)
        )
        self._own.touch()

    async def set_node(self, node: str, labels: Mapping[str, str | None], taints: Sequence[Taint]) -> None:
        self._own.stranger.taint(node, *taints)
        for key, value in labels.items():
            self._own.stranger.label(node, key, value)
        self._own.touch()

    async def attach(self, volume: str, claim: str, node: str) -> str:
        name = f"csi-{volume}"
        found = PersistentVolume(volume, f"uid-{volume}", PodRef(NAMESPACE, claim))
        self._own.stranger.put_attachment(
            found, Attachment(name, f"uid-{name}", node, volume, "csi.test", True)
        )
        self._own.touch()
        return name

    async def detach(self, attachment: str) -> None:
        self._own.stranger.drop_attachment(attachment)
        self._own.touch()

    async def declare(self, kind: Kind, name: str, quorum: str | None) -> None:
        self._own.stranger.declare(kind, PodRef(NAMESPACE, name), quorum, Selector({"app": name}))
        self._own.touch()

    async def add_pod(
        self, name: str, *, labels: Mapping[str, str] | None = None, ready_after: float | None = 0.2
    ) -> None:
        assert not self._clusters
        self._add(name, name, labels, None)
        self._takes(name, ready_after, 0.2)

    async def add_budget(
        self,
        name: str,
        *,
        min_available: int | str | None = None,
        max_unavailable: int | str | None = None,
        labels: Mapping[str, str] | None = None,
        unhealthy: Literal["IfHealthyBudget", "AlwaysAllow"] = "IfHealthyBudget",
    ) -> None:
        assert not self._clusters
        selector = Selector(dict(labels) if labels else {"app": name})
        rule: dict[str, Any] = {"min_available": min_available, "max_unavailable": max_unavailable}
        self._budgets.append(
            Budget(
                NAMESPACE,
                name,
                f"uid-b-{name}",
                selector,
                **rule,
                unhealthy_policy=unhealthy,
                observed_generation=0,
            )
        )

    async def set_ready(self, pod: str, ready: bool) -> None:
        self._own.stranger.pod_ready(PodRef(NAMESPACE, pod), ready)
        self._own.touch()

    async def set_cordon(self, node: str, cordoned: bool) -> None:
        stranger = self._own.stranger
        (stranger.cordon if cordoned else stranger.uncordon)(node)
        self._own.touch()

    async def annotate(self, node: str, key: str, value: str) -> None:
        self._own.stranger.annotate(node, key, value)
        self._own.touch()

    async def delete_pod(self, pod: str) -> None:
        self._own.stranger.delete_pod(PodRef(NAMESPACE, pod))
        self._own.touch()

    async def close(self) -> None:
        for cluster in self._clusters:
            await cluster.close()

    def _open(self) -> SimulatedCluster:
        clock = SimulatedClock(BEGAN, SPEED)
        clock.run()
        return SimulatedCluster(self._path, clock)

    def _add(self, name: str, app: str, labels: Mapping[str, str] | None, owner: Owner | None) -> None:
        results = {"app": app, **(labels or {})}
        self._pods.append(
            Pod(NAMESPACE, name, f"uid-{name}", labels=results, owner=owner, phase="Pending", ready=False)
        )

    def _takes(self, name: str, ready_after: float | None, gone_after: float) -> None:
        self._starts[f"{NAMESPACE}/{name}"] = NEVER if ready_after is None else ready_after
        self._stops[f"{NAMESPACE}/{name}"] = gone_after

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            "east",
            "fra",
            BEGAN,
            "v1.36.3",
            tuple(self._nodes),
            tuple(self._pods),
            tuple(self._budgets),
            tuple(self._workloads),
            tuple(self._machines),
        )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_contract_on_the_model_cluster(case: Case, tmp_path: Path) -> None:
    async def story() -> None:
        world = ModelWorld(tmp_path)
        results: World = world
        try:
            await case(results)
        finally:
            await world.close()

    asyncio.run(story())
