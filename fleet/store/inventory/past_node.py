"""A node with its machine in an interval of the past, as the inventory answers."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node


class PastNode(Struct, frozen=True):
    """A node and its machine in an interval in which nothing of them changed that has history."""

    begin: datetime
    end: datetime | None
    """When the interval ended. None: it goes on."""
    source: str
    """How it was learned: `sync`, `watch`, ..."""
    node: Node | None
    machine: Machine | None
