"""What a driver needs of the world.

`fleet.kube` and `fleet.simulated` each have a cluster of this shape; the same contract tests hold both to it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.records.held import Held
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.core.records.leadership import Leadership
from fleet.core.records.requests import RequestKind
from fleet.core.records.retention import Retention
from fleet.core.rollout.action import AnyAction, Outcome
from fleet.core.rollout.checkpoint import RolloutCheckpoint
from fleet.core.rollout.event import ClusterEvent, ClusterObject


class Journal(Protocol):
    """The one append-only table. Appends are whole or not at all."""

    def append(
        self, records: Sequence[JournalRecord], *, at: datetime, actor: str, epoch: int = 0
    ) -> Sequence[JournalEntry]:
        """Raises StaleEpochError where `epoch` (not 0) is not that of the database's lease any more."""
        ...

    def entries(self, *, rollout: str | None = None, after: int = 0) -> Iterator[JournalEntry]: ...

    def place(self) -> str:
        """Of the newest entry (`JournalEntry.place`); empty before the first."""
        ...

    def knows(self, place: str, cluster: str) -> bool:
        """It has that entry, or a person has accepted for that cluster that it has not."""
        ...


class CheckpointStore(Protocol):
    """Rollouts as they stood at one place of the journal."""

    def load(self) -> tuple[int, Sequence[RolloutCheckpoint]]:
        """The entry up to which they are told (0: none), and they, oldest first."""
        ...

    def keep(
        self,
        before: int,
        seq: int,
        folded: Mapping[str, tuple[int, RolloutCheckpoint]],
        *,
        at: datetime,
        actor: str,
        epoch: int = 0,
    ) -> bool:
        """False, and nothing is written, where they are not at `before` any more. What is kept is vouched for in the
        journal. Raises StaleEpochError as an append does."""
        ...


class JournalSigner(Protocol):
    """Signs the journal, so that it can be proved to others."""

    def look(self) -> None:
        """Called every few seconds; signs where it is time."""
        ...

    def sign(self) -> None:
        """Where the journal ends now."""
        ...


class DatabaseLease(Protocol):
    """Who controls the fleet of this database."""

    def acquire(
        self, identity: str, *, at: datetime, seconds: int, abandoned: Callable[[str], bool]
    ) -> Leadership: ...

    def release(self, identity: str) -> None: ...


class BlockerStore(Protocol):
    """Where other processes read what holds whom."""

    def replace(self, rollout: str, held: Mapping[str, tuple[Held, ...]], *, at: datetime) -> None:
        """`held`: changes by `cluster/node`; an empty tuple takes the node's reasons away."""
        ...


class Inventory(Protocol):
    """What is known of the clusters, kept when it changes."""

    def sync(self, snapshot: Snapshot, *, at: datetime, source: str) -> object: ...

    def note(
        self,
        cluster: str,
        seen: Sequence[ClusterObject],
        gone: Sequence[ClusterObject],
        *,
        at: datetime,
        source: str,
    ) -> object: ...

    def forget(self, retention: Retention, *, at: datetime) -> int:
        """Some of what was too long ago; answers how much."""
        ...


class RequestCounts(Protocol):
    """How many requests were sent, for everybody to read."""

    def add(self, cluster: str, counts: Mapping[RequestKind, int]) -> None:
        """`counts`: since the last time."""
        ...


class ClusterRegistry(Protocol):
    """When each cluster was seen last, or why it was not."""

    def touch(self, name: str, *, at: datetime, error: str = "", version: str = "") -> None: ...


class Cluster(Protocol):
    """One cluster as a driver sees it. Nothing of the library behind it is raised: only `FleetError`s."""

    name: str

    @property
    def requests(self) -> Mapping[RequestKind, int]:
        """Sent so far, by this process."""
        ...

    def events(self) -> AsyncIterator[ClusterEvent]:
        """Lists and watches every kind: `Seen` for all there is, `Synced`, then changes as they come; `Lost` while the
        cluster does not answer, and after it the differences and `Synced` again. Ends only when it is closed."""
        ...

    async def perform(self, action: AnyAction) -> Outcome:
        """Checks what the action presumes, does it, says what came of it. Bounded in time: `Result.UNKNOWN`."""
        ...

    async def lead(
        self, identity: str, seconds: int, abandoned: Callable[[str], bool], place: str = ""
    ) -> Leadership:
        """Takes or renews the cluster's lease for that long, if it is free, expired or ours already.

        `place` is noted in it, for whoever comes later; empty: what was noted stays. Answers what was noted before.

        Expired: its renewal has not been seen to change for its duration, by our own clock. `abandoned` tells of a
        holder's identity whether its process is known to be dead, so that nobody waits for the expiry.
        """
        ...

    async def place(self) -> str:
        """What was noted in the lease last; empty: nothing was."""
        ...

    async def resign(self, identity: str) -> None:
        """Gives the lease back, if it is ours."""
        ...

    async def close(self) -> None: ...
