"""The state of a cluster as its events report it; and waiting for a condition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fleet.core.objects.attachment import Attachment
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.objects.volumes import PersistentVolume
from fleet.core.objects.workload import Workload
from fleet.core.rollout.event import ClusterEvent, ClusterLost, ClusterSynced, Deleted, Upserted
from fleet.core.third_parties.maintenance import Maintenance
from fleet.drivers.ports import Cluster
from tests.contract.world import NAMESPACE

SECONDS = 120.0


class ClusterObserver:
    """Use as `async with ClusterObserver(cluster) as observer:`; it is synced then."""

    def __init__(self, cluster: Cluster) -> None:
        self.nodes: dict[str, Node] = {}
        self.pods: dict[PodRef, Pod] = {}
        self.budgets: dict[PodRef, Budget] = {}
        self.workloads: dict[tuple[str, str, str], Workload] = {}
        self.machines: dict[str, Machine] = {}
        self.volumes: dict[str, PersistentVolume] = {}
        self.attachments: dict[str, Attachment] = {}
        self.maintenances: dict[tuple[str, str, str], Maintenance] = {}
        self.synced = False
        self.log: list[ClusterEvent] = []
        self._cluster = cluster
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> ClusterObserver:
        self._task = asyncio.create_task(self._watch())
        await self.until(lambda: self.synced, "the first list")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> None:
        """Returns when the condition holds; fails with `what` otherwise."""

        async def wait() -> None:
            async with self._news:
                while not condition():
                    self._check()
                    await self._news.wait()

        try:
            await asyncio.wait_for(wait(), seconds)
        except TimeoutError:
            pods = "; ".join(
                f"{pod.name} {pod.phase}{'' if pod.ready else ' unready'}{' deleting' if pod.deleting else ''}"
                for pod in self.pods.values()
            )
            raise AssertionError(f"not seen in {seconds:.0f} s: {what} (pods: {pods})") from None

    def pods_of(self, app: str) -> list[Pod]:
        """By name."""
        found = [pod for pod in self.pods.values() if pod.labels.get("app") == app]
        return sorted(found, key=lambda pod: pod.name)

    def pod(self, name: str) -> Pod | None:
        return self.pods.get(PodRef(NAMESPACE, name))

    def history(self, name: str) -> list[Pod]:
        """Every state in which a pod of that name was seen."""
        things = [event.obj for event in self.log if isinstance(event, Upserted)]
        return [thing for thing in things if isinstance(thing, Pod) and thing.name == name]

    def budget(self, name: str) -> Budget:
        return self.budgets[PodRef(NAMESPACE, name)]

    async def until_ready(self, app: str, count: int) -> None:
        """So many pods are Ready, and there are no others."""
        await self.until(
            lambda: (
                len(self.pods_of(app)) == count
                and all(pod.ready and not pod.deleting for pod in self.pods_of(app))
            ),
            f"{count} ready pods of {app}",
        )

    async def until_counted(self, name: str, *, healthy: int, allowed: int) -> None:
        """Returns once the budget's controller has set this status."""
        await self.until(
            lambda: (
                PodRef(NAMESPACE, name) in self.budgets
                and self.budget(name).observed
                and not self.budget(name).disrupted
                and self.budget(name).current_healthy == healthy
                and self.budget(name).disruptions_allowed == allowed
            ),
            f"budget {name} with {healthy} healthy, {allowed} allowed",
        )

    def _check(self) -> None:
        """Fails where the watch has ended by itself."""
        if self._task is not None and self._task.done():
            self._task.result()
            raise AssertionError("the events have ended")

    async def _watch(self) -> None:
        try:
            async for event in self._cluster.events():
                async with self._news:
                    self._take(event)
                    self._news.notify_all()
        finally:
            async with self._news:
                self._news.notify_all()

    def _take(self, event: ClusterEvent) -> None:
        self.log.append(event)
        match event:
            case Upserted(_, thing):
                table, key = self._place(thing)
                table[key] = thing
            case Deleted(_, thing):
                table, key = self._place(thing)
                table.pop(key, None)
            case ClusterSynced():
                self.synced = True
            case ClusterLost():
                self.synced = False

    def _place(self, thing: object) -> tuple[dict[Any, Any], Any]:
        match thing:
            case Node():
                return self.nodes, thing.name
            case Pod():
                return self.pods, thing.ref
            case Budget():
                return self.budgets, thing.ref
            case Workload():
                return self.workloads, (thing.kind, thing.namespace, thing.name)
            case Machine():
                return self.machines, thing.name
            case PersistentVolume():
                return self.volumes, thing.name
            case Attachment():
                return self.attachments, thing.name
            case Maintenance():
                return self.maintenances, thing.key
        raise AssertionError(f"no place for {thing!r}")
