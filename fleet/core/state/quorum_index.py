"""The quorum groups as last read, the nodes of their members, and those nodes that are away."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from fleet.core.cluster.upgraded_voters import UpgradedVoters, upgraded_voters
from fleet.core.objects.node import NodeRef
from fleet.core.quorum.quorum import Quorum


class QuorumIndex:
    def __init__(self) -> None:
        self._groups: dict[str, Quorum] = {}
        self._on: dict[NodeRef, dict[str, None]] = {}
        """The names of the groups with a member on a node, by node."""
        self.away: set[NodeRef] = set()
        """Nodes that a run has taken out of service and not given back."""
        self.upgraded: dict[str, UpgradedVoters] = {}
        """The time since which the voters with the newer version are healthy, by group whose voters run different minor
        versions of etcd."""
        self.awaiting_upgraded: set[NodeRef] = set()
        """Nodes with a last voter that waits for time alone, until the upgraded voters have proved themselves."""

    def update_upgraded(self, group: Quorum, now: datetime) -> None:
        """Updates the state of the group's upgraded voters by this reading."""
        upgraded = upgraded_voters(group, self.upgraded.get(group.name), now)
        if upgraded is None:
            self.upgraded.pop(group.name, None)
        else:
            self.upgraded[group.name] = upgraded

    def upsert(self, group: Quorum) -> None:
        self.delete(group.name)
        self._groups[group.name] = group
        for ref in self.nodes(group.name):
            self._on.setdefault(ref, {})[group.name] = None

    def delete(self, name: str) -> None:
        for ref in self.nodes(name):
            self._on[ref].pop(name, None)
        self._groups.pop(name, None)

    def set_away(self, ref: NodeRef, away: bool) -> None:
        if away:
            self.away.add(ref)
        else:
            self.away.discard(ref)

    def of(self, ref: NodeRef) -> Iterable[Quorum]:
        """Returns the groups with a member on the node."""
        return [self._groups[name] for name in self._on.get(ref, ())]

    def nodes(self, name: str) -> tuple[NodeRef, ...]:
        """Returns the nodes that carry the group's members."""
        group = self._groups.get(name)
        members = group.members if group is not None else ()
        return tuple(dict.fromkeys(member.node for member in members if member.node is not None))
