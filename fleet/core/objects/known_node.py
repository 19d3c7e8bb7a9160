"""A node as the inventory knows it: the Node object, the Machine, or both."""

from __future__ import annotations

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
