"""The shape of a generated cluster."""

from __future__ import annotations

from msgspec import Struct

from fleet.core.objects.node import Resources

POOL_LABEL = "fleet.internal/pool"


class PoolShape(Struct, frozen=True):
    name: str
    nodes: int
    size: Resources = Resources(8000, 32 << 30, 110)
    control: bool = False
    """Control-plane nodes: tainted, with static pods."""


class Shape(Struct, frozen=True):
    """The shape of a cluster. Deployments run in its first pool, StatefulSets in the one named `storage`, if any."""

    pools: tuple[PoolShape, ...]
    zones: tuple[str, ...] = ("a", "b", "c")
    deployments: int = 12
    """The number of Deployments, with 2 to 6 replicas each."""
    sets: int = 2
    """The number of StatefulSets, with 3 replicas each."""
    jobs: int = 1
    first: int = 1
    """The number in the first node's name. Names are unique in a fleet if the next cluster counts on from there."""
