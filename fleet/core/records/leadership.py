"""The state of a lease after an attempt to acquire or renew it."""

from __future__ import annotations

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
