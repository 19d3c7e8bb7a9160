"""Remembers the pod shapes for which no open node has room, so that they are not tried again until a node gains room.

Held nodes wait for capacity. To try all of them again whenever any pod has moved would cost the square of the fleet's
size, so a pod for which no node has room waits for a node that has gained enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fleet.core.capacity.trial_placement import Shortfall
from fleet.core.objects.demand import Demand
from fleet.core.objects.node import Resources

MOST_NOTED = 100_000
"""Maximum number of gains that are remembered; beyond, all shapes are forgotten."""


class PodShape(NamedTuple):
    """Demand and requests of a pod. Pods of one shape fit the same nodes, apart from affinity rules and host ports."""

    demand: Demand
    requests: Resources


class UnplaceablePods:
    """The pod shapes of one cluster for which no open node has room."""

    def __init__(self, has_room: Callable[[str, PodShape], bool]) -> None:
        """Starts without any shape. `has_room` returns whether a node, by name, could take a pod of the shape now."""
        self._has_room = has_room
        self._gained: list[str] = []
        """Names of the nodes that have gained capacity or were uncordoned, oldest first."""
        self._checked: dict[PodShape, int] = {}
        """The number of nodes of `_gained` that were checked and have no room, by shape."""
        self._shortfalls: dict[PodShape, Shortfall] = {}

    def __bool__(self) -> bool:
        return bool(self._checked)

    def gain(self, name: str) -> None:
        """Records that the node may have more free capacity than before."""
        if self._checked:
            self._gained.append(name)
            if len(self._gained) > MOST_NOTED:
                self.forget()

    def note(self, shape: PodShape, shortfall: Shortfall) -> None:
        """Records that no open node has room for the shape, and what was lacking."""
        self._checked[shape] = len(self._gained)
        self._shortfalls[shape] = shortfall

    def may_fit_now(self, shape: PodShape) -> bool:
        """Returns whether a node may have room by now for a pod of this shape; if so, forgets the shape."""
        seen = self._checked.get(shape)
        if seen is None:
            return True
        if any(self._has_room(name, shape) for name in self._gained[seen:]):
            del self._checked[shape], self._shortfalls[shape]
            return True
        self._checked[shape] = len(self._gained)
        return False

    def shortfall(self, shape: PodShape) -> Shortfall | None:
        """Returns what was lacking when the shape was noted; None if the shape is not noted, or a node may have room by
        now."""
        if shape not in self._checked or self.may_fit_now(shape):
            return None
        return self._shortfalls[shape]

    def forget(self) -> None:
        """Forgets all shapes, so that all of them are tried again."""
        self._gained.clear()
        self._checked.clear()
        self._shortfalls.clear()
