"""The quorum groups of a model cluster: members go down with their nodes, come back, catch up, and elect a leader."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from msgspec.structs import replace

from fleet.core.cluster.refused_patch import RefusedPatch
from fleet.core.guards import quorum
from fleet.core.quorum.quorum import Member, Quorum, foremost, unknown
from fleet.core.rollout.action import Defragment, MoveLeader, Reboot, Result, SaveSnapshot
from fleet.core.rollout.event import Upserted
from fleet.model.behaviour import ClusterBehaviour, Length, draw
from fleet.model.control_plane.kubelet import Kubelets
from fleet.model.event_queue import EventQueue
from fleet.model.objects import Objects

BEHIND = 5000
"""The log entries that a member lacks when it comes back."""


class ModelQuorums:
    def __init__(self, objects: Objects, kubelets: Kubelets, timeline: EventQueue, rng: Random) -> None:
        self.behaviour = ClusterBehaviour()
        self.groups: dict[str, Quorum] = {}
        self.unread: dict[str, str] = {}
        """The groups that cannot be read, and why. A reading of such a group does not show its state."""
        self.full = ""
        """Why no snapshot can be written; empty if snapshots work."""
        self._objects = objects
        self._timeline = timeline
        self._rng = rng
        kubelets.listeners.append(self._node_changed)

    def as_read(self, name: str) -> Quorum:
        """Returns the group as a reader sees it."""
        group, why = self.groups[name], self.unread.get(name, "")
        return unknown(group, why) if why else group

    def change(self, name: str, member: str, **fields: object) -> None:
        """Changes one member. The changed group is announced, and elects a leader if it needs one."""
        self._put(name, lambda current: replace(current, **fields) if current.name == member else current)

    def lead(self, name: str, member: str) -> None:
        """Makes the member the only leader from now on. An empty name: no member leads until one is elected."""
        self._put(name, lambda current: replace(current, leader=current.name == member))

    def hide(self, name: str, why: str) -> None:
        """Makes the group unreadable from now on, for that reason; an empty one makes the group readable again."""
        self.unread[name] = why
        self._announce(name)

    def move_leader(self, action: MoveLeader) -> str:
        """Moves leadership to another member. Raises RefusedPatch."""
        group = self._group(action.group)
        leader = group.leader
        if leader is None or leader.node != action.node:
            raise RefusedPatch(Result.STALE, f"{action.node.name} does not lead {group.name}")
        to = next((member for member in group.members if member.name == action.to), None)
        if to is None or not (to.voter and to.started and to.reachable):
            raise RefusedPatch(Result.FAILED, f"{action.to} cannot lead {group.name}")
        self.lead(group.name, to.name)
        return f"{to.name} leads"

    def save_snapshot(self, action: SaveSnapshot) -> str:
        group = self._group(action.group)
        if self.full:
            raise RefusedPatch(Result.FAILED, self.full)
        if group.leader is None:
            raise RefusedPatch(Result.FAILED, f"{group.name} has no leader")
        return f"{action.rule.directory}/{group.name}-{foremost(group)}.db"

    def defragment(self, action: Defragment) -> str:
        """Defragments one member. Raises RefusedPatch."""
        group = self._group(action.group)
        member = next((member for member in group.members if member.name == action.member), None)
        if member is None or member.leader:
            raise RefusedPatch(Result.STALE, f"{action.member} leads {group.name} or is not in it")
        if not member.reachable:
            raise RefusedPatch(Result.FAILED, f"{member.name} does not answer")
        self.change(group.name, member.name, size=member.in_use)
        return ""

    def may_reboot(self, action: Reboot) -> None:
        """Reads the groups once more before a reboot, as the driver does. Raises RefusedPatch."""
        for name, rule in action.quorums.items():
            if name in self.groups and (why := quorum.why_no_reboot(self.as_read(name), rule, action.node)):
                raise RefusedPatch(Result.STALE, why)

    def rejoined(self, name: str, member: str) -> None:
        """Makes the member answer again. The member lacks the entries written meanwhile."""
        group = self.groups[name]
        index = max(0, foremost(group) - BEHIND)
        self.change(name, member, reachable=True, index=index)
        self._later(self.behaviour.catch_up, "caught-up", name, member)

    def caught_up(self, name: str, member: str) -> None:
        returned = next(current for current in self.groups[name].members if current.name == member)
        if returned.reachable:
            self.change(name, member, index=foremost(self.groups[name]))

    def elected(self, name: str) -> None:
        """Elects one of the reachable voters if they are a majority."""
        group = self.groups[name]
        if group.leader is not None:
            return
        able = [voter for voter in group.voters if voter.reachable and voter.started]
        if len(able) >= group.majority:
            self.lead(name, self._rng.choice(able).name)

    def _group(self, name: str) -> Quorum:
        if name not in self.groups or self.unread.get(name):
            raise RefusedPatch(Result.FAILED, f"{name} cannot be reached")
        return self.groups[name]

    def _node_changed(self, node: str, up: bool) -> None:
        for group in self.groups.values():
            for member in group.members:
                if member.node is None or member.node.name != node or member.reachable == up:
                    continue
                if up:
                    self._later(self.behaviour.rejoin, "rejoined", group.name, member.name)
                else:
                    self.change(group.name, member.name, reachable=False, leader=False)

    def _put(self, name: str, change: Callable[[Member], Member]) -> None:
        before = self.groups[name]
        group = replace(before, members=tuple(change(member) for member in before.members))
        if group == before:
            return
        self.groups[name] = group
        if group.leader is None and not group.declared:
            self._later(self.behaviour.election, "elected", name)
        self._announce(name)

    def _announce(self, name: str) -> None:
        self._objects.emit(Upserted(self._objects.cluster, self.as_read(name)))

    def _later(self, length: Length, kind: str, *arguments: str) -> None:
        delay = draw(length, self._rng, arguments[-1])
        self._timeline.add(self._objects.now + delay, kind, *arguments)
