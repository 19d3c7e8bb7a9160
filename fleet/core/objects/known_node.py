"""A node as the inventory knows it: the Node object, the Machine, or both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef


class KnownNode(Struct, frozen=True, gc=False):
    """The inventory's knowledge of one node, now or at a past moment."""

    cluster: str
    site: str
    name: str
    node: Node | None
    """None: the cluster has no such node (any more), and only the machine is known."""
    machine: Machine | None = None
    since: datetime | None = None
    """Since when the node runs its release: the booted release that its agent reports or, without an agent, the OS
    image and kernel that its kubelet reports. None: not known."""

    @property
    def ref(self) -> NodeRef:
        return NodeRef(self.cluster, self.name)

    @property
    def names(self) -> Sequence[str]:
        return (self.name,)


class AlikeNodes(Struct, frozen=True, gc=False):
    """Nodes of one cluster that are alike in all that decides their state and what is counted of them: the labels that
    pools select by, OS image, kernel, kubelet, Ready and cordon, booted release, layered packages, live patches, units.
    Thousands of nodes are some dozen of these."""

    cluster: str
    site: str
    names: Sequence[str]
    """At least one."""
    node: Node | None
    """One of the nodes. None: the cluster has no such nodes (any more), and only their machines are known."""
    machine: Machine | None
    """The machine of one of the nodes."""

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def since(self) -> None:
        """Each of them may run its release since another time."""
        return None
