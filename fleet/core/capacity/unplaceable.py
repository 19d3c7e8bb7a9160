"""What no open node has room for at present: kept so that nobody is asked again before a node could have it.

Held nodes wait for room. To ask all of them again whenever any pod anywhere has moved would cost the square of the
fleet; a pod for which no node has room waits for a node that has gained enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fleet.core.capacity.trial_placement import Shortfall
from fleet.core.objects.demand import Demand
from fleet.core.objects.node import Resources

MOST_NOTED = 100_000


class PodShape(NamedTuple):
    """Pods of this demand and size fit on no open node."""

    demand: Demand
    asked: Resources


class UnplaceablePods:
    def __init__(self, has_room: Callable[[str, PodShape], bool]) -> None:
        """`has_room`: whether a node, by name, could take such a pod now."""
        self._has_room = has_room
        self._gained: list[str] = []
        """Nodes that have gained room or were opened, in the order of time."""
        self._seen: dict[PodShape, int] = {}
        """How many of these have been looked at in vain."""
        self._lacks: dict[PodShape, Shortfall] = {}

    def __bool__(self) -> bool:
        return bool(self._seen)

    def gain(self, name: str) -> None:
        """The node may have more room than before."""
        if self._seen:
            self._gained.append(name)
            if len(self._gained) > MOST_NOTED:
                self.forget()

    def note(self, shortage: PodShape, lack: Shortfall) -> None:
        self._seen[shortage] = len(self._gained)
        self._lacks[shortage] = lack

    def eased(self, shortage: PodShape) -> bool:
        """A node could have room by now."""
        seen = self._seen.get(shortage)
        if seen is None:
            return True
        if any(self._has_room(name, shortage) for name in self._gained[seen:]):
            del self._seen[shortage], self._lacks[shortage]
            return True
        self._seen[shortage] = len(self._gained)
        return False

    def shortfall(self, shortage: PodShape) -> Shortfall | None:
        """What was lacking when it was noted, if that is so still."""
        if shortage not in self._seen or self.eased(shortage):
            return None
        return self._lacks[shortage]

    def forget(self) -> None:
        """Everything is looked at anew."""
        self._gained.clear()
        self._seen.clear()
        self._lacks.clear()
