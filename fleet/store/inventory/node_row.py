"""A node with its machine, as the inventory answers: now, and in an interval of the past."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node


class NodeRow(Struct, frozen=True, gc=False):
    """A node with its machine, its pods and the time since when it runs what it runs."""

    cluster: str
    name: str
    site: str
    node: Node | None
    """The Node object. None: only the machine is known."""
    machine: Machine | None
    pods: int | None
    """How many pods are bound to the node. None: at a past moment, since pods have no history."""
    since: datetime | None
    """Since when the node runs its release: the booted release that its agent reports or, without an agent, the OS
    image and kernel that its kubelet reports."""


class PastNode(Struct, frozen=True):
    """A node and its machine in an interval in which nothing of them changed that has history."""

    begin: datetime
    end: datetime | None
    """When the interval ended. None: it goes on."""
    source: str
    """How it was learned: `sync`, `watch`, ..."""
    node: Node | None
    machine: Machine | None
