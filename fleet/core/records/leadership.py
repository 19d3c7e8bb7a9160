"""The state of a lease after an attempt to hold it."""

from __future__ import annotations

from msgspec import Struct


class Leadership(Struct, frozen=True):
    """Who holds a lease."""

    held: bool
    holder: str
    """Identity of the present holder."""
    epoch: int
    """Grows by one at each change of holder; fences the journal."""
    place: str = ""
    """Of a cluster's lease: how far its last holder's journal had come when it was renewed (`Entry.place`)."""
