"""A small cluster in a few lines: nodes n-1, n-2, ..., workloads spread over them, budgets."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef, Resources
from fleet.core.objects.pod import Owner, Pod, PodRef
from fleet.core.objects.selector import Selector
from fleet.core.objects.workload import Workload
from fleet.core.releases.release import Release
from fleet.core.rollout.action import Action, AnyAction, Cordon, Evict, Outcome, Reboot, Stage
from fleet.core.rollout.event import ClusterEvent
from fleet.model.behaviour import ClusterBehaviour
from fleet.model.model import Model

START = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
OLD = Release("1.0", "sha256:01", "6.1.0")
NEW = Release("2.0", "sha256:02", "6.2.0")
SIZE = Resources(8000, 32 << 30, 20)
QUICK = ClusterBehaviour(
    pod_start=8.0, pod_stop=5.0, stage=60.0, reboot=40.0, agent=1.0, budget=0.2, workload=1.0
)


class Builder:
    def __init__(self, nodes: int = 3, pods: int = 20) -> None:
        size = replace(SIZE, pods=pods)
        self.nodes = [self.node(f"n-{number}", size) for number in range(1, nodes + 1)]
        self.machines = [
            Machine(
                each.name, f"m-{each.name}", os="simulated", booted=OLD, boot_id=each.boot_id, reported=True
            )
            for each in self.nodes
        ]
        self.pods: list[Pod] = []
        self.budgets: list[Budget] = []
        self.workloads: list[Workload] = []

    @staticmethod
    def node(name: str, size: Resources = SIZE, **fields: Any) -> Node:
        results = {"boot_id": f"boot-1-{name}", "os_image": "Simulated OS 1.0", "kernel": OLD.kernel} | fields
        return Node(name, f"uid-{name}", labels={"name": name}, allocatable=size, **results)

    def workload(self, name: str, replicas: int, kind: str = "Deployment", **fields: Any) -> Builder:
        """Its pods are Ready, one a node in turn. A Deployment has a ReplicaSet `NAME-rs`."""
        set_kind, set_name = (kind, name) if kind != "Deployment" else ("ReplicaSet", f"{name}-rs")
        owner = None
        if kind == "Deployment":
            self.workloads.append(Workload(kind, "web", name, f"uid-{name}", replicas, replicas))
            owner = Owner(kind, name)
        self.workloads.append(
            Workload(set_kind, "web", set_name, f"uid-{set_name}", replicas, replicas, owner)
        )
        for number in range(replicas):
            self.pod(f"{set_name}-{number}", number, {"app": name}, Owner(set_kind, set_name), **fields)
        return self

    def pod(
        self,
        name: str,
        node: int = 0,
        labels: dict[str, str] | None = None,
        owner: Owner | None = None,
        **fields: Any,
    ) -> Builder:
        where = {"node": self.nodes[node % len(self.nodes)].name} | fields
        self.pods.append(Pod("web", name, f"uid-{name}-1", labels=labels or {}, owner=owner, **where))
        return self

    def budget(self, name: str, app: str | None = None, **rule: Any) -> Builder:
        selector = Selector({"app": app or name})
        self.budgets.append(Budget("web", name, f"uid-{name}", selector, **rule))
        return self

    def snapshot(self) -> Snapshot:
        return Snapshot(
            "east",
            "fra",
            START,
            "v1.36.3",
            tuple(self.nodes),
            tuple(self.pods),
            tuple(self.budgets),
            tuple(self.workloads),
            tuple(self.machines),
        )

    def model(self, behaviour: ClusterBehaviour = QUICK, seed: int = 1, settled: bool = True) -> Model:
        """`settled`: budgets have been counted, and no events are unread."""
        model = Model.from_snapshot(self.snapshot(), behaviour, Random(seed))
        if settled:
            model.advance(1.0)
        return model


class ActionSender:
    """fleet's side: performs actions of rollout r-1 at the model's own time."""

    def __init__(self, model: Model, rollout: str = "r-1") -> None:
        self.model = model
        self.rollout = rollout
        self.count = 0

    def __call__(self, kind: type[Action], node: str, **fields: Any) -> Outcome:
        self.count += 1
        head = {"id": str(self.count), "rollout": self.rollout, "node": NodeRef("east", node)}
        action: AnyAction = kind(**(head | {"uid": f"uid-{node}"} | fields))  # type: ignore[assignment]
        return self.model.perform(action, self.model.now)

    def evict(self, name: str, **fields: Any) -> Outcome:
        found = self.pod(name)
        uid = found.uid if found is not None else "none"
        return self(Evict, "n-1", **({"pod": PodRef("web", name), "pod_uid": uid} | fields))

    def stage(self, node: str, token: str = "r-1/stage", release: Release = NEW) -> Outcome:
        return self(Stage, node, token=token, release=release)

    def reboot(
        self, node: str, token: str = "r-1/reboot", release: Release = NEW, boot_id: str = ""
    ) -> Outcome:
        return self(Reboot, node, token=token, release=release, boot_id=boot_id or self.node(node).boot_id)

    def upgrade(self, node: str) -> None:
        """Up to the reboot's request; then it is a matter of time."""
        self.stage(node, f"r-1/{node}/stage")
        self.pass_time(62)
        self(Cordon, node)
        self.reboot(node, f"r-1/{node}/reboot")

    def pass_time(self, seconds: float) -> list[tuple[float, ClusterEvent]]:
        return self.model.advance(self.model.now + seconds)

    def pod(self, name: str) -> Pod | None:
        return next((pod for pod in self.model.snapshot(START).pods if pod.name == name), None)

    def pods(self, app: str) -> list[Pod]:
        return [pod for pod in self.model.snapshot(START).pods if pod.labels.get("app") == app]

    def node(self, name: str) -> Node:
        return next(node for node in self.model.snapshot(START).nodes if node.name == name)

    def machine(self, name: str) -> Machine:
        return next(machine for machine in self.model.snapshot(START).machines if machine.name == name)

    def budget(self, name: str) -> Budget:
        return next(budget for budget in self.model.snapshot(START).budgets if budget.name == name)

    def workload(self, kind: str, name: str) -> Workload:
        found = self.model.snapshot(START).workloads
        return next(each for each in found if (each.kind, each.name) == (kind, name))
