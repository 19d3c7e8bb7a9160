"""A controller's life: waits for the lease of its database, works while it holds the lease, gives everything back.

Where the database refuses (locked, full), the engine is thrown away and rebuilt from the journal a little later; where
another controller has taken over, this one stops at once and stands by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from fleet.core.policy.alerting.notification import Notification
from fleet.core.records.errors import (
    DISK_FULL,
    FleetError,
    SchemaError,
    StaleEpochError,
    StoreError,
    TamperedError,
)
from fleet.core.records.retention import Retention
from fleet.core.state.own_pod import OwnPod
from fleet.core.text.durations import format_duration
from fleet.drivers.alerting.notifier import LOOK_SECONDS as NOTIFY
from fleet.drivers.alerting.notifier import MessageStore, Notifier, Send
from fleet.drivers.alerting.silencer import LOOK_SECONDS as SILENCE
from fleet.drivers.alerting.silencer import Silencer
from fleet.drivers.background import Measure
from fleet.drivers.executor import Executor
from fleet.drivers.hooks import AllHooks
from fleet.drivers.identity import abandoned, own_identity
from fleet.drivers.journal.checkpoints import keep
from fleet.drivers.journal.log import LOG
from fleet.drivers.journal.recorder import Recorder
from fleet.drivers.leadership import (
    HAND_OVER_SECONDS,
    SECONDS,
    HandOverError,
    HandOvers,
    LeaseWatch,
    until_led,
    wait_for,
)
from fleet.drivers.pipeline import ClusterPipeline
from fleet.drivers.ports import (
    BlockerStore,
    CheckpointStore,
    ClusterRegistry,
    ClustersChanged,
    DatabaseLease,
    FollowPolicy,
    Inventory,
    JobStates,
    Journal,
    JournalSigner,
    RequestCounts,
)
from fleet.drivers.request_recorder import RequestRecorder
from fleet.drivers.timers.jobs import JobSchedule, JobsOf, no_jobs
from fleet.drivers.timers.pace import WALL, Pace
from fleet.drivers.timers.periodic import PeriodicTask, until_failure
from fleet.gates.measurement import answer
from fleet.receivers.receiver import send
from fleet.system.clock import Clock

FLUSH = 2.0
"""Seconds between writes of the inventory."""
FOLD = 60.0
"""Seconds between two checks whether new checkpoints of rollouts are due."""
FORGET = 60.0
"""Seconds between two deletions of old history. Each deletes a part, so that other writers do not wait long."""
LOOK = 1.0
"""Seconds between two looks at which scheduled jobs are due, and at the policy."""
KEEP = Retention()
PAUSE = 5.0
"""Seconds before a new try after the database refused."""


class ControllerStore(Protocol):
    """The parts of a store that a controller uses."""

    @property
    def journal(self) -> Journal: ...
    @property
    def lease(self) -> DatabaseLease: ...
    @property
    def held(self) -> BlockerStore: ...
    @property
    def inventory(self) -> Inventory: ...
    @property
    def clusters(self) -> ClusterRegistry: ...
    @property
    def requests(self) -> RequestCounts: ...
    @property
    def folds(self) -> CheckpointStore: ...
    @property
    def messages(self) -> MessageStore: ...
    @property
    def jobs(self) -> JobStates: ...


class Controller:
    """One controller process of a fleet."""

    def __init__(
        self,
        database: ControllerStore,
        connect: Callable[[], Awaitable[Mapping[str, ClusterPipeline]]],
        sites: Callable[[], Mapping[str, str]],
        clock: Clock,
        wall: Callable[[], datetime],
        show: Callable[[str], None],
        notary: JournalSigner | None = None,
        retention: Retention = KEEP,
        measure: Measure = answer,
        jobs: JobsOf = no_jobs,
        receivers: Callable[[], Sequence[Notification]] = tuple,
        send: Send = send,
        pace: Pace = WALL,
        own: OwnPod | None = None,
        policy: FollowPolicy | None = None,
    ) -> None:
        """`connect` opens the clusters of the database; `sites` names the clusters and their sites, without
        reading them. `clock` is the fleet's, `wall` the real time, by which leases expire. `measure` measures gates.
        `jobs` returns the scheduled jobs that the policy asks for now. `receivers` returns the receivers of messages
        as the policy has them now, and `send` sends one. `pace` decides when it looks again at what changes without an
        event. `own` is the pod that it runs in: before the pod's node is cordoned, a standby takes the lead. `policy`
        brings changes of the policy to the rollouts; None: there is no policy to follow."""
        self._database = database
        self._connect = connect
        self._sites = sites
        self._clock = clock
        self._wall = wall
        self._show = show
        self._notary = notary
        self._retention = retention
        self._measure = measure
        self._receivers = receivers
        self._send = send
        self._jobs = jobs
        self._pace = pace
        self._own = own
        self._policy = policy
        self._hand_overs = HandOvers(wall)
        self._identity = own_identity()
        self._seen = ""
        """The place that the journal had come to for this process. A database that does not have it has lost entries."""
        self._refused = ""
        """The last reported reason why the controller does not work."""

    async def run(self, until_idle: bool = False) -> None:
        """Works until cancelled, or with `until_idle` until there is nothing left to do."""
        while True:
            try:
                executor = await self._lead(until_idle)
                # A command that came while the lease was being given back has found a controller at work.
                if executor.has_read_all:
                    return
            except ClustersChanged as error:
                self._show(f"{error}: starting again")
            except HandOverError as error:
                self._show(f"handing over: {error.held.message}")
                if await until_led(self._database.lease, self._wall, HAND_OVER_SECONDS):
                    self._hand_overs.taken()
                else:
                    again = format_duration(self._hand_overs.refused().total_seconds())
                    self._show(f"nobody has taken over: leading again, and trying again in {again}")
            except StaleEpochError as error:
                self._show(f"{error.message}: standing by")
            except (SchemaError, TamperedError):
                raise
            except StoreError as error:
                await self._wait(error.message, error.hint)
            except OSError as error:
                if error.errno not in DISK_FULL:
                    raise
                # What was to be written was not reported as done: it is determined again.
                where = f": {error.filename}" if error.filename else ""
                await self._wait(f"{error.strerror}{where}", "free some space on that disk")

    async def _wait(self, why: str, hint: str) -> None:
        """Waits before the next try. Logs the same error once, because a disk may be full for hours; the controller
        that is
        in control again logs that it is."""
        if why != self._refused:
            self._refused = why
            LOG.warning("%s; retrying every %.0f s%s", why, PAUSE, f" ({hint})" if hint else "")
        await asyncio.sleep(PAUSE)

    async def _lead(self, until_idle: bool) -> Executor:
        """Returns the executor that has ended, with the lease given back. The lease is kept where the database
        refuses."""
        lease, watch = self._database.lease, LeaseWatch(self._connect)
        found = await wait_for(
            lease,
            self._identity,
            self._wall,
            abandoned,
            lambda holder: self._show(f"{holder} is in control: waiting for it to end"),
            watch,
        )
        refused = False
        try:
            return await self._work(found.epoch, until_idle, watch)
        except StoreError:
            # Waiting for a locked database again would take too long; the controller resumes as soon as it can.
            refused = True
            raise
        finally:
            if not refused:
                with suppress(StoreError):
                    lease.release(self._identity)

    async def _work(self, epoch: int, until_idle: bool, watch: LeaseWatch) -> Executor:
        sites = self._sites()
        pipelines = await self._connect()
        watch.recall(pipelines)
        clusters = [pipeline.cluster for pipeline in pipelines.values()]
        recorder = Recorder(self._database.inventory, self._database.clusters, sites, self._clock)
        tally = RequestRecorder(clusters, self._database.requests)
        executor = Executor(
            pipelines,
            sites,
            self._database.journal,
            self._database.folds,
            self._database.held,
            self._clock,
            self._identity,
            epoch,
            abandoned,
            recorder.watch,
            self._measure,
            AllHooks(pipelines),
            self._pace.pause,
            self._own,
            self._seen,
            self._hand_overs.may,
        )
        silencer = Silencer(self._database.journal, lambda: executor.rollouts, self._wall)
        for pipeline in pipelines.values():
            pipeline.ask_first(silencer)
        notifier = Notifier(
            self._database.journal, self._database.messages, self._receivers, self._send, self._clock, epoch
        )
        self._show(f"in control of {len(clusters)} clusters (epoch {epoch})")
        self._refused = ""

        def renew() -> None:
            kept = self._database.lease.acquire(
                self._identity, at=self._wall(), seconds=SECONDS, abandoned=abandoned
            )
            if not kept.held or kept.epoch != epoch:
                raise StaleEpochError(f"{kept.holder} has taken over")
            if self._sites() != sites:
                raise ClustersChanged("the clusters have changed")

        def fold() -> None:
            keep(self._database.journal, self._database.folds, self._clock.now(), self._identity, epoch)

        def forget() -> int:
            return self._database.inventory.forget(self._retention, at=self._clock.now())

        schedule = JobSchedule(self._jobs, self._database.jobs, self._clock, self._identity, epoch)
        try:
            regular = [
                PeriodicTask("lease", SECONDS / 3, renew),
                PeriodicTask("inventory", FLUSH, recorder.flush),
                PeriodicTask("requests", FLUSH, tally.flush),
                PeriodicTask("folds", FOLD, fold),
                PeriodicTask("history", FORGET, forget),
                PeriodicTask("messages", NOTIFY, notifier.look),
                PeriodicTask("silences", SILENCE, silencer.look),
                PeriodicTask("jobs", LOOK, schedule.look),
            ]
            if (follow := self._policy) is not None:
                regular.append(
                    PeriodicTask("policy", LOOK, lambda: follow(executor.rollouts, self._identity, epoch))
                )
            if self._notary is not None:
                regular.append(PeriodicTask("notary", FLUSH, self._notary.look))
            async with self._pace.periodically(regular) as failure:
                work = asyncio.create_task(executor.run(until_idle))
                await until_failure(work, failure)
                # While the lease is still renewed: a server may take its time.
                await until_failure(asyncio.create_task(silencer.finish()), failure)
                await until_failure(asyncio.create_task(notifier.finish()), failure)
            recorder.flush()
            tally.flush()
            fold()
            while forget():
                continue  # The waiting task was cancelled.
            if self._notary is not None:
                self._notary.sign()
            return executor
        finally:
            self._seen = executor.place or self._seen
            await silencer.close()
            await notifier.close()
            await schedule.close()
            for cluster in clusters:
                with suppress(FleetError):
                    await cluster.close()
