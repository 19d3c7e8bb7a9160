"""A model cluster behind the interface of a real one: events as simulated time passes, actions, a lease. It is kept in
a file."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from msgspec import Raw
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.records.errors import DISK_FULL, FleetError, UnreachableError
from fleet.core.records.leadership import Leadership, LeaseSighting
from fleet.core.records.requests import RequestKind
from fleet.core.rollout.action import AnyAction, Outcome, Result
from fleet.core.rollout.event import ClusterEvent, ClusterLost, ClusterSynced, Deleted, Upserted, object_key
from fleet.model.agents import last_boot
from fleet.model.behaviour import ClusterBehaviour, SavedBehaviour
from fleet.model.external_changes import ExternalChanges
from fleet.model.model import Model
from fleet.simulated.clock import SAVE_SECONDS, SimulatedClock
from fleet.simulated.state_file import SavedCluster, StateFile
from fleet.system.file_lease import FileLease


def create(
    path: Path,
    snapshot: Snapshot,
    behaviour: ClusterBehaviour,
    seed: int,
    began: datetime,
    unreachable: str = "",
) -> None:
    """Writes a new simulated cluster, in place of one that was there. `began`: aware UTC."""
    model = Model.from_snapshot(replace(snapshot, at=began), behaviour, Random(seed))  # noqa: S311
    state = SavedCluster(
        began=began, unreachable=unreachable, behaviour=SavedBehaviour.of(behaviour), model=Raw(b"null")
    )
    StateFile(path).save(model, state)


def snapshot_of(path: Path) -> Snapshot:
    """Returns the cluster as its process last saved it. Raises UnreachableError, and FleetError for a file that is not
    fleet's."""
    model, state = StateFile(path).restore()
    if state.unreachable:
        raise UnreachableError(
            f"cluster {model.cluster} does not answer: {state.unreachable}", reason=state.unreachable
        )
    return model.snapshot(state.began + timedelta(seconds=model.now))


def log_of(path: Path, machine: str) -> str:
    """Returns the log of the boot before this one. Raises UnreachableError, and FleetError if the machine has not
    rebooted yet."""
    machines = {current.name: current for current in snapshot_of(path).machines}
    text = last_boot(machines[machine]) if machine in machines else ""
    if not text:
        raise FleetError(f"{machine}: the machine's journal has no earlier boot")
    return text


class EventInbox:
    """The events that one reader of `events` has not read yet."""

    def __init__(self) -> None:
        self.events: deque[ClusterEvent] = deque()
        self.wake = asyncio.Event()

    def put(self, *events: ClusterEvent) -> None:
        self.events.extend(events)
        self.wake.set()


class SimulatedCluster:
    """A simulated cluster. It lives in one process at a time, the one that holds its lease; others read its file by
    `snapshot_of`."""

    def __init__(self, path: Path, clock: SimulatedClock) -> None:
        """Loads the cluster, and sets the clock to the time of its last event at least. Raises FleetError if the file is
        missing or not fleet's."""
        self._clock = clock
        self._record = StateFile(path)
        self._lease = FileLease(path.with_suffix(".lease"))
        self._model, self._state = self._restore()
        self.name = self._model.cluster
        self._inboxes: list[EventInbox] = []
        self._unreported: list[ClusterEvent] = []
        """Events of the time in which the cluster did not answer."""
        self._leads = False
        self._closed = False
        self._saved_at = 0.0
        self._cancel_save: Callable[[], None] | None = None
        """Cancels the save that is to come. None: none is."""

    @property
    def requests(self) -> Mapping[RequestKind, int]:
        """Returns no version: a simulated cluster has no API server."""
        return {}

    @property
    def unreachable(self) -> str:
        """Says why the cluster does not answer; empty: it does."""
        return self._state.unreachable

    @property
    def stranger(self) -> ExternalChanges:
        """Returns the interface by which others change objects of this cluster. `touch` announces and saves the changes."""
        self._pump()
        return self._model.stranger

    def snapshot(self) -> Snapshot:
        """Returns all objects. Raises UnreachableError."""
        self._require_reachable()
        self._pump()
        return self._model.snapshot(self._clock.now())

    async def events(self) -> AsyncIterator[ClusterEvent]:
        """Yields the objects that are there, and then every change."""
        inbox = EventInbox()
        self._pump()
        self._list(inbox)
        self._inboxes.append(inbox)
        try:
            while not self._closed:
                self._pump()
                inbox.wake.clear()
                while inbox.events:
                    yield inbox.events.popleft()
                await self._pause(inbox)
        finally:
            self._inboxes.remove(inbox)

    async def perform(self, action: AnyAction) -> Outcome:
        """Performs an action on the model, and returns its outcome."""
        await asyncio.sleep(0)
        if self.unreachable or self._closed:
            return Outcome(action, Result.UNKNOWN, self.unreachable or "closed")
        now = self._now()
        self._record.add(action, now)
        outcome = self._model.perform(action, now)
        self.touch()
        return outcome

    async def lead(
        self, identity: str, seconds: int, abandoned: Callable[[str], bool], place: str = ""
    ) -> Leadership:
        """Takes or renews the lease. `seconds` are of the wall clock, as a lease guards against other processes."""
        self._require_reachable()
        leadership = self._lease.attempt(identity, seconds, abandoned, place)
        if leadership.held and not self._leads:
            self._take_over()
        self._leads = leadership.held
        return leadership

    async def see_lease(self) -> LeaseSighting | None:
        self._require_reachable()
        return self._lease.see()

    def recall(self, sighting: LeaseSighting) -> None:
        self._lease.recall(sighting)

    async def place(self) -> str:
        """Returns the last entry of the journal of the cluster's last controller; empty if none was noted."""
        self._require_reachable()
        return self._lease.place()

    async def resign(self, identity: str) -> None:
        if self._leads:
            self._save()
        self._leads = False
        self._lease.resign(identity)

    async def close(self) -> None:
        """Saves the cluster if this process holds its lease."""
        if self._leads or self._cancel_save is not None:
            self._save()
        self._closed = True
        for inbox in self._inboxes:
            inbox.wake.set()

    def reach(self, unreachable: str) -> None:
        """Makes the cluster unreachable from now on, with that reason; empty: it answers again."""
        if unreachable == self.unreachable:
            return
        self._pump()
        self._state = replace(self._state, unreachable=unreachable)
        for inbox in self._inboxes:
            if unreachable:
                inbox.put(ClusterLost(self.name, unreachable))
            else:
                inbox.put(*self._unreported, ClusterSynced(self.name, self._model.server_version))
        self._unreported.clear()
        self._save_soon()

    def behave(self, behaviour: ClusterBehaviour) -> None:
        """Changes how the cluster behaves from now on."""
        self._pump()
        self._model.behave(behaviour)
        self._state = replace(self._state, behaviour=SavedBehaviour.of(behaviour))
        self._save_soon()

    def touch(self) -> None:
        """Announces changes of the model to the readers, and saves the model soon."""
        self._pump()
        self._save_soon()

    def _restore(self) -> tuple[Model, SavedCluster]:
        model, state = self._record.restore()
        model.advance(model.now)
        self._clock.at_least(state.began + timedelta(seconds=model.now))
        return model, state

    def _take_over(self) -> None:
        """Loads the state again: another process may have changed the cluster meanwhile."""
        before = {object_key(obj): obj for obj in self._model.objects()}
        self._model, self._state = self._restore()
        # This also drops an action that a killed process has written only half.
        self._save()
        after = {object_key(obj): obj for obj in self._model.objects()}
        if before == after:
            return
        for inbox in self._inboxes:
            inbox.put(*(Deleted(self.name, obj) for key, obj in before.items() if key not in after))
            self._list(inbox)

    def _require_reachable(self) -> None:
        if self.unreachable:
            raise UnreachableError(
                f"cluster {self.name} does not answer: {self.unreachable}", reason=self.unreachable
            )

    def _now(self) -> float:
        return (self._clock.now() - self._state.began).total_seconds()

    def _list(self, inbox: EventInbox) -> None:
        if self.unreachable:
            inbox.put(ClusterLost(self.name, self.unreachable))
            return
        inbox.put(*(Upserted(self.name, obj) for obj in self._model.objects()))
        inbox.put(ClusterSynced(self.name, self._model.server_version))

    def _pump(self) -> None:
        """Advances the model until now, and passes its events to the readers."""
        events = [event for _, event in self._model.advance(self._now())]
        if not events:
            return
        if self.unreachable:
            self._unreported += events
        else:
            for inbox in self._inboxes:
                inbox.put(*events)
        if self._leads:
            self._save_soon()

    async def _pause(self, inbox: EventInbox) -> None:
        """Waits until there are events to read or something is due in the model."""
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(inbox.wake.wait())]
        due = self._model.next_at()
        if due is not None:
            tasks.append(asyncio.create_task(self._clock.sleep(due - self._now())))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()

    def _save_soon(self) -> None:
        if self._cancel_save is not None:
            return
        wait = self._saved_at + SAVE_SECONDS - monotonic()
        self._cancel_save = self._clock.soon(self._save_in_time, max(0.0, wait))

    def _save_in_time(self) -> None:
        """Saves the cluster, or tries again soon if the disk is full. Nothing is lost meanwhile: the state is in memory, the
        actions are in their file, and the next action fails with the error."""
        try:
            self._save()
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            self._save_soon()

    def _save(self) -> None:
        self._pump()
        if self._cancel_save is not None:
            self._cancel_save()
            self._cancel_save = None
        self._saved_at = monotonic()
        self._record.save(self._model, self._state)
        self._clock.save()
