"""The tools that are in use today, each as a policy on the same model: which nodes start when, and what happens then.

All of them cordon, request the eviction of every pod, and request it again after RETRY if a budget refuses, as
`kubectl drain` does; none of them marks the nodes that still wait. Sources: kured (`--concurrency`, a lock that a node
takes before its drain), system-upgrade-controller (`spec.concurrency`; drains, then the Job writes the image),
OpenShift's machine-config operator (`maxUnavailable`; nodes by zone, then by name; the image is written after the
drain), and waves: a number of nodes at once, and the next ones when all of them are back.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush
from random import Random
from typing import Any, NamedTuple

from msgspec.structs import replace

from bench.fleets import NEW
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.rollout.action import AnyAction, Cordon, Evict, Outcome, Reboot, Result, Stage, Uncordon
from fleet.core.rollout.event import Deleted, Upserted
from fleet.model.model import Model

RETRY = 5.0
"""Seconds until a refused eviction is requested again, as in kubectl."""
LAST = 90 * 86400.0


class Rival(NamedTuple):
    name: str
    slots: int
    percent: bool = False
    staged: bool = True
    """True: the image was written before, at no cost. False: the image is written within the slot, after the drain."""
    order: str = "chance"
    """chance, name or zone"""
    waves: bool = False

    def limit(self, nodes: int) -> int:
        return max(1, nodes * self.slots // 100) if self.percent else self.slots


def rivals(limit: int) -> tuple[Rival, ...]:
    return (
        Rival("kured, lock of 1", 1),
        Rival(f"kured, lock of {limit}", limit),
        Rival(f"system-upgrade-controller, {limit}", limit, staged=False, order="name"),
        Rival("machine-config operator, 1", 1, staged=False, order="zone"),
        Rival("machine-config operator, 10 %", 10, percent=True, staged=False, order="zone"),
        Rival(f"waves of {limit}", limit, order="name", waves=True),
    )


class Played(NamedTuple):
    makespan: float
    evictions: int
    refused: int
    peak: int


class Player:
    """Works through all nodes of one model as the rival does."""

    def __init__(self, rival: Rival, snapshot: Snapshot, model: Model) -> None:
        self._rival = rival
        self._model = model
        self._limit = rival.limit(len(snapshot.nodes))
        self._pods: dict[str, dict[str, Pod]] = {}
        self._nodes = {node.name: node for node in snapshot.nodes}
        self._machines = {machine.name: machine for machine in snapshot.machines}
        for pod in snapshot.pods:
            self._pods.setdefault(pod.node, {})[pod.uid] = pod
        self._places = {pod.uid: pod.node for pod in snapshot.pods}
        self._queue = self._ordered(snapshot)
        self._busy: dict[str, str] = {}
        """Node -> the boot id that it had, until it is back."""
        self._asked: dict[str, str] = {}
        """Node -> what its machine was asked last."""
        self._drained: set[str] = set()
        """Uids of pods whose eviction has been asked for."""
        self._again: list[tuple[float, str, str]] = []
        self._count = self._evictions = self._refused = self._peak = 0
        self._last = 0.0

    def play(self) -> Played:
        """Upgrades all nodes and returns the result. Raises RuntimeError if nothing moves any more and nodes are left."""
        at = 0.0
        while True:
            touched = self._observe(at)
            while self._again and self._again[0][0] <= at:
                _, name, uid = heappop(self._again)
                pod = self._pods.get(name, {}).get(uid)
                if name in self._busy and pod is not None and not pod.deleting:
                    self._evict(name, pod, at)
            for name in sorted(touched & self._busy.keys()):
                self._go_on(name, at)
            self._fill(at)
            if not self._busy and not self._queue:
                return Played(self._last, self._evictions, self._refused, self._peak)
            moments = [moment for moment in (self._model.next_at(),) if moment is not None]
            moments += [self._again[0][0]] if self._again else []
            if not moments or at > LAST:
                raise RuntimeError(f"{self._rival.name}: nothing moves, {len(self._queue)} nodes are left")
            at = max(at, min(moments))

    def _ordered(self, snapshot: Snapshot) -> list[str]:
        """Returns the nodes in reverse order: the last one of the list goes next."""
        nodes = sorted(snapshot.nodes, key=lambda node: node.name)
        if self._rival.order == "zone":
            nodes.sort(key=lambda node: (node.zone, node.name))
        if self._rival.order == "chance":
            Random(1).shuffle(nodes)
        return [node.name for node in reversed(nodes)]

    def _fill(self, at: float) -> None:
        if self._rival.waves and self._busy:
            return
        while self._queue and len(self._busy) < self._limit:
            name = self._queue.pop()
            node = self._nodes[name]
            self._busy[name] = node.boot_id
            self._peak = max(self._peak, len(self._busy))
            self._perform(Cordon(**self._about(node)), at)
            self._go_on(name, at)

    def _evict(self, name: str, pod: Pod, at: float) -> None:
        outcome = self._perform(Evict(**self._about(self._nodes[name]), pod=pod.ref, pod_uid=pod.uid), at)
        if outcome.result is Result.DONE:
            self._evictions += 1
        elif outcome.result is Result.REFUSED:
            self._refused += 1
            heappush(self._again, (at + RETRY, name, pod.uid))

    def _go_on(self, name: str, at: float) -> None:
        node, machine, before = self._nodes[name], self._machines[name], self._busy[name]
        if node.boot_id != before:
            if node.ready is True and machine.boot_id == node.boot_id:
                del self._busy[name]
                self._perform(Uncordon(**self._about(node)), at)
                self._last = at
        elif pods := self._pods.get(name):
            for pod in list(pods.values()):
                # Some were bound just before the cordon, and are seen after it.
                if pod.uid not in self._drained:
                    self._drained.add(pod.uid)
                    self._evict(name, pod, at)
        else:
            self._bring(name, node, machine, at)

    def _bring(self, name: str, node: Node, machine: Machine, at: float) -> None:
        if machine.staged != NEW:
            if self._asked.get(name) != "stage":
                self._asked[name] = "stage"
                self._perform(Stage(**self._about(node), token=f"r/{name}/stage", release=NEW), at)
        elif self._asked.get(name) != "reboot":
            self._asked[name] = "reboot"
            token = f"r/{name}/reboot"
            self._perform(Reboot(**self._about(node), token=token, release=NEW, boot_id=node.boot_id), at)

    def _about(self, node: Node) -> Mapping[str, Any]:
        self._count += 1
        return {
            "id": f"r/{self._count}",
            "rollout": "r",
            "node": NodeRef("bench", node.name),
            "uid": node.uid,
        }

    def _perform(self, action: AnyAction, at: float) -> Outcome:
        return self._model.perform(action, at)

    def _observe(self, at: float) -> set[str]:
        touched: set[str] = set()
        for _, event in self._model.advance(at):
            match event:
                case Upserted(_, Pod() as pod):
                    touched.add(self._see(pod))
                case Deleted(_, Pod() as pod):
                    self._pods.get(self._places.pop(pod.uid, ""), {}).pop(pod.uid, None)
                    touched.add(pod.node)
                case Upserted(_, Node() as node):
                    self._nodes[node.name] = node
                    touched.add(node.name)
                case Upserted(_, Machine() as machine):
                    self._machines[machine.name] = machine
                    touched.add(machine.name)
        return touched

    def _see(self, pod: Pod) -> str:
        if pod.node:
            self._pods.setdefault(pod.node, {})[pod.uid] = pod
            self._places[pod.uid] = pod.node
        return pod.node


def with_images(snapshot: Snapshot) -> Snapshot:
    """Returns the same fleet with the new image staged on every machine."""
    machines = tuple(replace(machine, staged=NEW) for machine in snapshot.machines)
    return replace(snapshot, machines=machines)
