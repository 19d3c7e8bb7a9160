"""The etcd of one cluster, as drivers read it: from its endpoints, or by its static pods where the endpoints cannot be
read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec.structs import replace

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import Node, NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.quorum.groups import QuorumGroup
from fleet.core.quorum.quorum import Quorum, SnapshotRule
from fleet.etcd.errors import EtcdError
from fleet.etcd.etcd import Etcd
from fleet.etcd.reading import MemberPlace
from fleet.etcd.static import NAMESPACE, any_served_by, declared, endpoints_of, place_of, pods_of


class Servers(Protocol):
    """The API servers that store their objects in this etcd."""

    async def etcd(self) -> str:
        """Returns why the API servers cannot rely on their etcd, or that this is unknown; empty: they can."""
        ...


REST = 5.0
"""Seconds between two readings."""


class EtcdGroup:
    """An etcd group of one cluster, whose site is `site`. `beside` are the other etcds of the cluster; if none of them
    is the one in its static pods, this one is."""

    def __init__(
        self, group: QuorumGroup, site: str, servers: Servers, beside: Sequence[EtcdGroup] | None = None
    ) -> None:
        self.name = group.name
        self.rest = REST
        self._cluster = group.cluster
        self._site = site
        self._spread = group.spread
        self._servers = servers
        self._etcd = Etcd(group, {})
        self._access = group.access
        self._beside = beside

    async def read(self, view: ClusterView, now: datetime) -> Quorum | None:
        """Returns the group, read at its endpoints or else by its static pods; None: no such group is known."""
        self._etcd.places = self._places(view.nodes)
        pods = pods_of(view.pod_index.in_namespace(NAMESPACE))
        if not self.runs_in(pods, view.nodes):
            pods = ()
        if not self._access.endpoints and self._access.cert:
            self._etcd.endpoints = endpoints_of(pods, view.nodes)
        why = "the policy has neither endpoints nor a certificate for it"
        if self._etcd.endpoints:
            found = await asyncio.to_thread(self._etcd.read, now)
            if not found.unread or not pods:
                return found
            why = found.unread
        return await self._by_pods(pods, why, now) if pods else None

    def runs_in(self, pods: Sequence[Pod], nodes: Mapping[str, Node]) -> bool:
        """Returns whether this is the etcd in the cluster's static pods, as far as can be known: an etcd with
        endpoints of its own may or may not be. `nodes` are those of the cluster, by name."""
        if self._beside is not None:
            return not any(each.runs_in(pods, nodes) for each in self._beside)
        if not self._access.endpoints:
            return True
        if self._etcd.known is None:
            return any_served_by(self._access.endpoints, pods, nodes)
        carriers = {NodeRef(self._cluster, pod.node) for pod in pods}
        return any(member.node in carriers for member in self._etcd.known.members)

    async def _by_pods(self, pods: Sequence[Pod], why: str, now: datetime) -> Quorum:
        """Returns the group by its pods, provided that the API servers can rely on it: otherwise the readiness of the
        pods proves nothing."""
        found = declared(self.name, pods, self._etcd.places, why, now)
        refused = await self._servers.etcd()
        return replace(found, declared=False, unread=f"{why}; {refused}") if refused else found

    async def move_leader(self, to: str) -> str:
        return await asyncio.to_thread(self._etcd.move_leader, to)

    async def snapshot(self, rule: SnapshotRule, now: datetime) -> str:
        if not self._etcd.endpoints:
            raise EtcdError(f"no snapshot of {self.name}: the policy has no endpoints or certificate for it")
        return str(await asyncio.to_thread(self._etcd.snapshot, rule, now))

    async def defragment(self, member: str) -> str:
        return await asyncio.to_thread(self._etcd.defragment, member)

    def _places(self, nodes: Mapping[str, Node]) -> dict[str, MemberPlace]:
        """Returns the places by the names of nodes, and by their addresses."""
        places = {
            name: place_of(self._cluster, self._site, node, self._spread) for name, node in nodes.items()
        }
        addresses = {address: places[node.name] for node in nodes.values() for address in node.addresses}
        return addresses | places
