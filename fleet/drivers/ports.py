"""What a driver needs of the world.

`fleet.kube` and `fleet.sim` each have a cluster of this shape; the same contract tests hold both to it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from fleet.core.action import AnyAction, Outcome
from fleet.core.event import Event


class Clock(Protocol):
    """Time at the edge. A simulated one may run faster than the wall's."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class Leadership(Struct, frozen=True):
    """What a lease says after an attempt to hold it."""

    held: bool
    holder: str
    """Identity of who holds it now."""
    epoch: int
    """Grows by one at each change of holder; fences the journal."""


class Cluster(Protocol):
    """One cluster as a driver sees it. Nothing of the library behind it is raised: only `FleetError`s."""

    name: str

    def events(self) -> AsyncIterator[Event]:
        """Lists and watches every kind: `Seen` for all there is, `Synced`, then changes as they come; `Lost` while the
        cluster does not answer, and after it the differences and `Synced` again. Ends only when it is closed."""
        ...

    async def perform(self, action: AnyAction) -> Outcome:
        """Checks what the action presumes, does it, says what came of it. Bounded in time: `Result.UNKNOWN`."""
        ...

    async def lead(self, identity: str, seconds: int, abandoned: Callable[[str], bool]) -> Leadership:
        """Takes or renews the cluster's lease for that long, if it is free, expired or ours already.

        Expired: its renewal has not been seen to change for its duration, by our own clock. `abandoned` tells of a
        holder's identity whether its process is known to be dead, so that nobody waits for the expiry.
        """
        ...

    async def resign(self, identity: str) -> None:
        """Gives the lease back, if it is ours."""
        ...

    async def close(self) -> None: ...
