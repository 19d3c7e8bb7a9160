"""The state of a lease after an attempt to acquire or renew it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Leadership(Struct, frozen=True):
    """The holder of a lease."""

    held: bool
    holder: str
    """The identity of the present holder."""
    epoch: int
    """Grows by one at each change of holder. The journal refuses entries of an older epoch."""
    place: str = ""
    """The last entry of the holder's journal when the lease of a cluster was last renewed (`JournalEntry.place`)."""


class LeaseSighting(Struct, frozen=True):
    """A renewal of a cluster's lease, as a controller has seen it."""

    renewal: Any
    """What tells this renewal from any other; only the kind of cluster that it is from can compare it."""
    since: float
    """When it was seen first, in seconds of this process's monotonic clock."""
