"""The protocols by which drivers reach clusters, machines and the store.

`fleet.kube`, `fleet.hosts` and `fleet.simulated` each have a cluster of this shape; the same contract tests hold them to
it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.jobs.job import JobState
from fleet.core.records.held import Held
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.core.records.leadership import Leadership, LeaseSighting
from fleet.core.records.requests import RequestKind
from fleet.core.records.retention import Retention
from fleet.core.reporting.ended_rollout import EndedRollout
from fleet.core.rollout.action import AnyAction, Outcome
from fleet.core.rollout.checkpoint import RolloutCheckpoint
from fleet.core.rollout.event import ClusterEvent, ClusterObject
from fleet.core.rollout.rollout import Rollout


class Journal(Protocol):
    """The one append-only table. Appends are whole or not at all."""

    def append(
        self, records: Sequence[JournalRecord], *, at: datetime, actor: str, epoch: int = 0, after: str = ""
    ) -> Sequence[JournalEntry]:
        """Appends records. Raises StaleEpochError where `epoch` (not 0) is not that of the database's lease any
        more, and LostEntriesError where the journal has no entry at the place `after`."""
        ...

    def entries(
        self, *, rollout: str | None = None, kinds: Collection[str] = (), after: int = 0
    ) -> Iterator[JournalEntry]:
        """Yields entries in the order in which they were written. Empty `kinds` mean all kinds."""
        ...

    def place(self) -> str:
        """Returns the place of the newest entry (`JournalEntry.place`); empty before the first."""
        ...

    def knows(self, place: str, cluster: str) -> bool:
        """Returns whether the journal has that entry, or an operator has accepted for that cluster that it does not."""
        ...


class JobStates(Protocol):
    """The states of scheduled jobs."""

    def all(self) -> Mapping[str, JobState]: ...

    def keep(self, state: JobState, *, epoch: int) -> None:
        """Writes the state of a job. Raises StaleEpochError where `epoch` is not that of the database's lease any
        more."""
        ...


class CheckpointStore(Protocol):
    """Rollouts as they stood at one place of the journal."""

    def load(self, without: Collection[str] = ()) -> tuple[int, Sequence[RolloutCheckpoint]]:
        """Returns the entry up to which the rollouts are kept (0: none), and the rollouts, oldest first, but those whose
        ids are in `without`."""
        ...

    def in_brief(self) -> tuple[int, Sequence[EndedRollout]]:
        """Returns the same of all kept rollouts, with what a status needs of ended ones alone."""
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
        """Writes rollouts as they stand at `seq`. Returns False, and writes nothing, where what is kept is not
        at `before` any more. The journal vouches for what is kept. Raises StaleEpochError as an append does."""
        ...


class JournalSigner(Protocol):
    """Signs the journal, so that others can be shown that it is whole."""

    def look(self) -> None:
        """Signs where it is time; called every few seconds."""
        ...

    def sign(self) -> None:
        """Signs where the journal ends now."""
        ...


class DatabaseLease(Protocol):
    """The lease that decides which controller works on the fleet of this database."""

    def acquire(
        self, identity: str, *, at: datetime, seconds: int, abandoned: Callable[[str], bool]
    ) -> Leadership: ...

    def release(self, identity: str) -> None: ...

    def current(self, at: datetime) -> str | None:
        """Returns the identity of the holder; None where there is none, or the lease has expired."""
        ...


class BlockerStore(Protocol):
    """The store of blockers, from which other processes read what holds which node."""

    def replace(self, rollout: str, held: Mapping[str, tuple[Held, ...]], *, at: datetime) -> None:
        """Writes changed reasons. `held`: by `cluster/node`; an empty tuple removes the node's reasons."""
        ...


class Inventory(Protocol):
    """The inventory of the clusters, written when something changes."""

    def sync(self, snapshot: Snapshot, *, at: datetime, source: str) -> object: ...

    def note(
        self,
        cluster: str,
        seen: Sequence[ClusterObject],
        gone: Sequence[ClusterObject],
        *,
        at: datetime,
        source: str,
    ) -> object:
        """Writes what was seen, and what is gone."""
        ...

    def forget(self, retention: Retention, *, at: datetime) -> int:
        """Deletes some of what is older than the retention, and returns how much."""
        ...


class RequestCounts(Protocol):
    """Counts how many requests were sent, for every process to read."""

    def add(self, cluster: str, counts: Mapping[RequestKind, int]) -> None:
        """Adds `counts`, those since the last call."""
        ...


class ClusterRegistry(Protocol):
    """Keeps when each cluster was seen last, or why it was not."""

    def touch(self, name: str, *, at: datetime, error: str = "", version: str = "") -> None: ...


class Cluster(Protocol):
    """One cluster as drivers see it. Nothing of the library behind it is raised: only `FleetError`s."""

    name: str

    @property
    def requests(self) -> Mapping[RequestKind, int]:
        """Returns how many requests this process has sent so far."""
        ...

    def events(self) -> AsyncIterator[ClusterEvent]:
        """Lists and watches every resource: `Upserted` for all there is, `ClusterSynced`, then changes as they
        come; `ClusterLost` while the cluster does not answer, and after it the differences and `ClusterSynced`
        again. Ends only when the cluster is closed."""
        ...

    async def perform(self, action: AnyAction) -> Outcome:
        """Checks what the action presumes, performs it, and returns what came of it. Bounded in time:
        `Result.UNKNOWN`."""
        ...

    async def lead(
        self, identity: str, seconds: int, abandoned: Callable[[str], bool], place: str = ""
    ) -> Leadership:
        """Takes or renews the cluster's lease for that long, if it is free, expired or this controller's
        already.

        `place` is noted in the lease, for later holders; empty: what was noted stays. Returns what was
        noted before.

        Expired: its renewal has not been seen to change for its duration, by our own clock. `abandoned` says of
        a holder's identity whether its process is known to be dead, so that nobody waits for the expiry.
        """
        ...

    async def see_lease(self) -> LeaseSighting | None:
        """Reads the lease, and returns its last renewal, and since when that has been the last one for us. None: there is
        no lease. Raises FleetError."""
        ...

    def recall(self, sighting: LeaseSighting) -> None:
        """Takes over what another connection to the same cluster, of this process, has seen of the lease: an expiry
        counts from then on."""
        ...

    async def place(self) -> str:
        """Returns what was noted in the lease last; empty: nothing was."""
        ...

    async def resign(self, identity: str) -> None:
        """Gives the lease back, if this controller holds it."""
        ...

    async def close(self) -> None: ...


class ClustersChanged(Exception):
    """The clusters, or the quorum groups to read there, are no longer those that this controller started with."""


FollowPolicy = Callable[[Iterable[Rollout], str, int], None]
"""Brings changes of the policy to rollouts, in the name of a controller in its epoch. Raises ClustersChanged where the
clusters have to be opened again."""
