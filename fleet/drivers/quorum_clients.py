"""The quorum groups of one cluster: those that the policy names, and those that its workloads declare, which come and go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.workload import Workload
from fleet.core.quorum.groups import QuorumGroup
from fleet.core.quorum.quorum import Quorum, SnapshotRule
from fleet.core.rollout.event import ClusterEvent, Deleted, Upserted


class QuorumClient(Protocol):
    """Asks one quorum group. Everything is bounded in time; raises FleetError."""

    name: str
    rest: float
    """Seconds between two readings."""

    async def read(self, view: ClusterView, now: datetime) -> Quorum | None:
        """Returns the group as it answers, or why it does not; None: there is no such group. `view`: of its cluster."""
        ...

    async def move_leader(self, to: str) -> str: ...

    async def snapshot(self, rule: SnapshotRule, now: datetime) -> str: ...

    async def defragment(self, member: str) -> str: ...


class GroupDeclarations(Protocol):
    """Reads the groups that workloads declare by an annotation."""

    def __call__(self, workloads: Collection[Workload]) -> Sequence[QuorumGroup]:
        """Returns what the workloads declare, each name once."""
        ...


class QuorumClients:
    """`named`: the groups of the policy. `opened`: the client of a group that a workload declares."""

    def __init__(
        self,
        named: Mapping[str, QuorumClient],
        declares: GroupDeclarations | None = None,
        opened: Callable[[QuorumGroup], QuorumClient] | None = None,
    ) -> None:
        self._live: dict[str, QuorumClient] = dict(named)
        self._declares = declares
        self._opened = opened
        self._declared: dict[str, QuorumGroup] = {}
        self._workloads: dict[str, Workload] = {}
        """Those with an annotation, by uid."""

    def __iter__(self) -> Iterator[QuorumClient]:
        return iter(list(self._live.values()))

    def get(self, name: str) -> QuorumClient | None:
        return self._live.get(name)

    def see(self, event: ClusterEvent) -> bool:
        """Returns whether there are other groups than before this event."""
        match event:
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
                self._live[name] = self._opened(group)
        return found != before
