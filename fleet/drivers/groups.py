"""The quorum groups of one cluster: those that stand, and those that its workloads declare, which come and go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod
from fleet.core.objects.workload import Workload
from fleet.core.quorum.groups import QuorumGroup as Declared
from fleet.core.quorum.quorum import Quorum, SnapshotRule
from fleet.core.rollout.event import ClusterEvent, Deleted, Upserted


class QuorumClient(Protocol):
    """One quorum group as a driver asks it. Everything is bounded in time; raises FleetError."""

    name: str
    rest: float
    """Seconds between two readings."""

    def see(self, event: ClusterEvent) -> None:
        """What its cluster tells, in order."""
        ...

    async def read(self, now: datetime) -> Quorum | None:
        """Does not raise where the group does not answer: that is a reading too. None: there is no such group."""
        ...

    async def move_leader(self, to: str) -> str: ...

    async def snapshot(self, rule: SnapshotRule, now: datetime) -> str: ...

    async def defragment(self, member: str) -> str: ...


class GroupDeclarations(Protocol):
    """How groups come from workloads that carry an annotation."""

    def __call__(self, workloads: Collection[Workload]) -> Sequence[Declared]:
        """What these declare, names once each."""
        ...


class QuorumClients:
    """`opened`: a declared group as it is asked."""

    def __init__(
        self,
        standing: Mapping[str, QuorumClient],
        declares: GroupDeclarations | None = None,
        opened: Callable[[Declared], QuorumClient] | None = None,
    ) -> None:
        self._live: dict[str, QuorumClient] = dict(standing)
        self._declares = declares
        self._opened = opened
        self._declared: dict[str, Declared] = {}
        self._workloads: dict[str, Workload] = {}
        """With an annotation, by uid."""
        self._nodes: dict[str, Upserted] = {}
        self._pods: dict[str, Upserted] = {}
        """What a group that comes later has missed."""

    def __iter__(self) -> Iterator[QuorumClient]:
        return iter(list(self._live.values()))

    def get(self, name: str) -> QuorumClient | None:
        return self._live.get(name)

    def see(self, event: ClusterEvent) -> bool:
        """True: its groups are no longer those that they were."""
        changed = self._note(event)
        for group in self._live.values():
            group.see(event)
        return changed

    def _note(self, event: ClusterEvent) -> bool:
        match event:
            case Upserted(_, Node() as node):
                self._nodes[node.name] = event
            case Deleted(_, Node() as node):
                self._nodes.pop(node.name, None)
            case Upserted(_, Pod() as pod):
                self._pods[pod.uid] = event
            case Deleted(_, Pod() as pod):
                self._pods.pop(pod.uid, None)
            case Upserted(_, Workload() as workload) if workload.quorum is not None:
                self._workloads[workload.uid] = workload
                return self._settle()
            case Upserted(_, Workload() as workload) | Deleted(_, Workload() as workload):
                return self._workloads.pop(workload.uid, None) is not None and self._settle()
        return False

    def _settle(self) -> bool:
        if self._declares is None or self._opened is None:
            return False
        found = {group.name: group for group in self._declares(self._workloads.values())}
        before, self._declared = self._declared, found
        for name in before.keys() - found.keys():
            del self._live[name]
        for name, group in found.items():
            if group != before.get(name):
                self._live[name] = self._told(self._opened(group))
        return found != before

    def _told(self, group: QuorumClient) -> QuorumClient:
        for event in (*self._nodes.values(), *self._pods.values()):
            group.see(event)
        return group
