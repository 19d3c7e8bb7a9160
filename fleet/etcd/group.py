"""The etcd of one cluster as a driver asks it: read for real, or by its static pods where it cannot be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec.structs import replace

from fleet.core.event import Event, Gone, Seen
from fleet.core.groups import Group
from fleet.core.node import Node
from fleet.core.pod import Pod
from fleet.core.quorum import Quorum, SnapshotRule
from fleet.etcd.errors import EtcdError
from fleet.etcd.etcd import Etcd
from fleet.etcd.reading import Place
from fleet.etcd.static import declared, endpoints_of, place_of, pods_of


class Servers(Protocol):
    """The API servers that keep their objects in it."""

    async def etcd(self) -> str:
        """Why they cannot count on it, or that nobody knows; empty: they can."""
        ...


REST = 5.0
"""Seconds between two readings."""


class EtcdGroup:
    """`site` is the cluster's. A member is on the node of its name, as kubeadm has it."""

    def __init__(self, group: Group, site: str, servers: Servers) -> None:
        self.name = group.name
        self.rest = REST
        self._cluster = group.cluster
        self._site = site
        self._servers = servers
        self._nodes: dict[str, Node] = {}
        self._pods: dict[str, Pod] = {}
        self._etcd = Etcd(group, {})
        self._access = group.access

    def see(self, event: Event) -> None:
        """What its cluster tells: nodes, and the static pods that carry the members."""
        match event:
            case Seen(_, Node() as node):
                self._nodes[node.name] = node
            case Gone(_, Node() as node):
                self._nodes.pop(node.name, None)
            case Seen(_, Pod() as pod) if pods_of([pod]):
                self._pods[pod.uid] = pod
            case Gone(_, Pod() as pod):
                self._pods.pop(pod.uid, None)

    async def read(self, now: datetime) -> Quorum | None:
        """None: there is no such group, as far as anybody can see."""
        self._etcd.places = self._places()
        pods = pods_of(self._pods.values())
        if not self._access.endpoints and self._access.cert:
            self._etcd.endpoints = endpoints_of(pods)
        why = "the policy has neither endpoints nor a certificate for it"
        if self._etcd.endpoints:
            found = await asyncio.to_thread(self._etcd.read, now)
            if not found.unread or not pods:
                return found
            why = found.unread
        return await self._by_pods(pods, why, now) if pods else None

    async def _by_pods(self, pods: Sequence[Pod], why: str, now: datetime) -> Quorum:
        """As far as the API servers can count on it: what its pods say is of no use else."""
        found = declared(self.name, pods, self._etcd.places, why, now)
        refused = await self._servers.etcd()
        return replace(found, declared=False, unread=f"{why}; {refused}") if refused else found

    async def move_leader(self, to: str) -> str:
        return await asyncio.to_thread(self._etcd.move_leader, to)

    async def snapshot(self, rule: SnapshotRule, now: datetime) -> str:
        if not self._etcd.endpoints:
            raise EtcdError(f"no snapshot of {self.name}: the policy has no way to ask it")
        return str(await asyncio.to_thread(self._etcd.snapshot, rule, now))

    async def defragment(self, member: str) -> str:
        return await asyncio.to_thread(self._etcd.defragment, member)

    def _places(self) -> dict[str, Place]:
        return {name: place_of(self._cluster, self._site, node) for name, node in self._nodes.items()}
