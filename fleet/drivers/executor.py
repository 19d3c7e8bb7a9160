"""The executor: events in, actions out. It decides nothing; the engine does.

One loop owns the engine and the journal. Its inbox takes what clusters report and what came of actions; each turn of the
loop journals outcomes, observes, applies commands, decides, journals the decision, and only then lets actions go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from fleet.core.engine.engine import Engine
from fleet.core.planning.pod_timings import Stopwatch
from fleet.core.records.journal import JournalEntry
from fleet.core.rollout.action import AnyAction, Evict, Outcome, Reboot, Result
from fleet.core.rollout.codec import Journaled, from_record, to_record
from fleet.core.rollout.commands import CommandRecord, PlanApproved, PlanRejected, RolloutStarted
from fleet.core.rollout.event import ClusterEvent, ClusterLost, ClusterSynced, JournalNote
from fleet.core.rollout.record import ActionEnded, PodsTimed, UnknownRecord
from fleet.core.rollout.replay import newer, unfinished
from fleet.core.rollout.rollout import Rollout
from fleet.core.state.own_pod import OwnPod
from fleet.drivers.background import BackgroundWork, HookDriver, Measure
from fleet.drivers.cluster_leases import ClusterLeases
from fleet.drivers.foresight import Foresight, by_rollout
from fleet.drivers.journal import log
from fleet.drivers.journal.approvals import ledger_of
from fleet.drivers.journal.checkpoints import standing
from fleet.drivers.leadership import HandOverError, handing_over
from fleet.drivers.pipeline import ClusterPipeline
from fleet.drivers.ports import BlockerStore, CheckpointStore, Journal
from fleet.drivers.timers.pace import Pause
from fleet.system import logs
from fleet.system.clock import Clock

TICK = 1.0
"""Seconds between two readings of the journal for commands of other processes."""
STOPPED = "the controller stopped before it knew"
BATCH = 5000
"""Most events taken in one turn: a large first list must not keep outcomes waiting."""


class Executor:
    """Drives one engine on the clusters of a fleet."""

    def __init__(
        self,
        pipelines: Mapping[str, ClusterPipeline],
        sites: Mapping[str, str],
        journal: Journal,
        checkpoints: CheckpointStore,
        blockers: BlockerStore,
        clock: Clock,
        identity: str,
        epoch: int,
        abandoned: Callable[[str], bool],
        watcher: Callable[[str, ClusterEvent], None],
        measure: Measure,
        hooks: HookDriver,
        pause: Pause = asyncio.sleep,
        own: OwnPod | None = None,
        seen: str = "",
        may_hand_over: Callable[[], bool] = lambda: True,
    ) -> None:
        """`watcher` is called with every event, for the inventory. `measure` measures a gate once, `pause` waits before
        the next look at the journal. `own`: the pod of this controller; None: it runs in none. `seen` is the
        place that the journal had come to for this process before. `may_hand_over`: the lead is given up where it has
        to be handed over; else this controller works on."""
        self._pipelines = dict(pipelines)
        self._journal = journal
        self._checkpoints = checkpoints
        self._blockers = blockers
        self._clock = clock
        self._identity = identity
        self._epoch = epoch
        self._watcher = watcher
        self._pause = pause
        self._own = own
        self._may_hand_over = may_hand_over
        self._inbox: deque[ClusterEvent | asyncio.Future[None]] = deque()
        """Events, and who waits until those before have been observed."""
        self._news = asyncio.Event()
        self._background = BackgroundWork(measure, hooks, self._spawn, self._news.set, self._why_not_noted)
        self._leases = ClusterLeases(pipelines, identity, abandoned, journal, seen)
        self._reach: dict[str, ClusterLost | ClusterSynced] = {}
        """The last event of each cluster about its reachability."""
        self._performing: set[asyncio.Task[None]] = set()
        self._broken: BaseException | None = None
        self._seq = 0
        self.place = ""
        """The place of the newest entry of the journal that this executor has written or read."""
        self._stopwatch = Stopwatch()
        self._engine = self._rebuild(sites)
        self._foresight = Foresight(self._engine)

    def _rebuild(self, sites: Mapping[str, str]) -> Engine:
        """Returns the engine as the journal has it, with open intents closed: the clusters show what came of them."""
        now = standing(self._journal, self._checkpoints)
        self._seq, self.place = now.seq, self._journal.place()
        rollouts = [rollout for rollout in now.rollouts.values() if unfinished(rollout)]
        for rollout in rollouts:
            log.taken_up(rollout)
        pending = [action for rollout in rollouts for action in rollout.intents.values()]
        self._append([ActionEnded.of(action, Result.UNKNOWN, STOPPED) for action in pending])
        salt = sha256(f"{self._identity} {self._epoch}".encode()).hexdigest()[:6]
        return Engine(
            sites,
            sorted(rollouts, key=lambda rollout: rollout.active),
            salt=f"-{salt}",
            ledger=ledger_of(self._journal, now.seq),
            own=self._own,
        )

    @property
    def rollouts(self) -> Collection[Rollout]:
        """Returns the rollouts that this controller works on."""
        return self._engine.rollouts.values()

    @property
    def has_read_all(self) -> bool:
        """Returns whether no command has come into the journal since the last look at it."""
        return not any(entry.record.form == "command" for entry in self._journal.entries(after=self._seq))

    async def run(self, until_idle: bool = False) -> None:
        """Works until cancelled; with `until_idle` until there is no rollout to work on. Raises StaleEpochError when
        another controller has taken over and StoreError when the journal cannot be written: nothing has begun then that
        is not in the journal. Raises HandOverError when another controller is to lead."""
        watches = [asyncio.create_task(self._feed(name)) for name in self._pipelines]
        keepers = self._leases.keep(self._report_reach)
        try:
            while True:
                wake = self._turn()
                if until_idle and self._engine.idle and not self._performing:
                    return
                await self._wait(wake)
                if self._broken is not None:
                    raise self._broken
                for task in (*watches, *keepers):
                    if task.done():
                        task.result()
        finally:
            await self._stop([*watches, *keepers])

    async def _wait(self, wake: datetime | None) -> None:
        """Waits until something arrives, the engine wants to be woken, or it is time to look for commands."""
        until: list[Awaitable[object]] = [self._news.wait(), self._pause(TICK)]
        if wake is not None:
            until.append(self._clock.sleep(max(0.0, (wake - self._clock.now()).total_seconds())))
        waits = [asyncio.ensure_future(each) for each in until]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _turn(self) -> datetime | None:
        """Runs one turn of the loop, and returns when the engine wants the next."""
        now = self._clock.now()
        events, waiting = self._take()
        outcomes = [event for event in events if isinstance(event, Outcome)]
        noted = [
            event.record
            for event in events
            if isinstance(event, JournalNote) and event.record.rollout in self._engine.rollouts
        ]
        ended = (ActionEnded.of(outcome.action, outcome.result, outcome.detail) for outcome in outcomes)
        self._append([*ended, *noted])
        for event in events:
            self._stopwatch.observe(event, now)
            self._engine.observe(event, now)
        self._background.deliver(self._engine, now)
        for future in waiting:
            if not future.done():
                future.set_result(None)
        for entry in self._new_commands():
            self._apply(entry)
        decision = self._engine.decide(now)
        self._append([*decision.log, *self._measured(decision.actions, now)])
        for action in decision.actions:
            self._spawn(self._perform(action))
        self._background.begin(self._engine, now)
        held_nodes = self._foresight.changed_reasons(decision, now)
        for ident, nodes in by_rollout(self._engine, held_nodes).items():
            self._blockers.replace(ident, nodes, at=now)
        if (held := handing_over(decision.held.values())) is not None and self._may_hand_over():
            raise HandOverError(held)
        return decision.wake

    def _measured(self, actions: Sequence[AnyAction], now: datetime) -> Iterator[PodsTimed]:
        """Yields how long pods took; the pods that are evicted now are measured from now on."""
        for action in actions:
            if isinstance(action, Evict):
                pod = self._engine.views[action.node.cluster].pods.get(action.pod_uid)
                if pod is not None:
                    self._stopwatch.sent(action, pod, now)
        yield from self._stopwatch.take(now)

    def _take(self) -> tuple[list[ClusterEvent], list[asyncio.Future[None]]]:
        """Returns what is next in the inbox: events, and who waits until they have been observed."""
        events: list[ClusterEvent] = []
        waiting: list[asyncio.Future[None]] = []
        for _ in range(min(BATCH, len(self._inbox))):
            event = self._inbox.popleft()
            if isinstance(event, asyncio.Future):
                waiting.append(event)
            else:
                events.append(event)
        if not self._inbox:
            self._news.clear()
        return events, waiting

    def _put(self, event: ClusterEvent | asyncio.Future[None]) -> None:
        self._inbox.append(event)
        self._news.set()

    def _append(self, entries: Sequence[Journaled]) -> None:
        if entries:
            records = [to_record(entry) for entry in entries]
            written = self._journal.append(
                records, at=self._clock.now(), actor=self._identity, epoch=self._epoch, after=self.place
            )
            self.place = written[-1].place
            log.log(entries)

    def _new_commands(self) -> list[JournalEntry]:
        """Returns the commands since the last look."""
        entries = list(self._journal.entries(after=self._seq))
        if entries:
            self._seq, self.place = entries[-1].seq, entries[-1].place
        return [entry for entry in entries if entry.record.form == "command"]

    def _apply(self, entry: JournalEntry) -> None:
        record = from_record(entry.record)
        log.log((record,), entry.actor)
        match record:
            case RolloutStarted():
                self._engine.add(Rollout(record.rollout, record.start, entry.at, entry.actor))
            case PlanApproved() | PlanRejected():
                self._engine.command(record, entry.at, entry.actor)
            case CommandRecord() if record.rollout in self._engine.rollouts:
                self._engine.command(record, entry.at, entry.actor)
            case UnknownRecord() if record.name == "start" or record.rollout in self._engine.rollouts:
                raise newer(entry, record.error)

    async def _perform(self, action: AnyAction) -> None:
        cluster = action.node.cluster
        once = isinstance(action, Reboot)
        if why := await self._why_not_noted(cluster) if once else self._leases.why_not_led(cluster):
            self._put(Outcome(action, Result.STALE, f"not sent: {why}"))
            return
        self._put(await self._pipelines[cluster].perform(action))

    async def _why_not_noted(self, cluster: str) -> str:
        return await self._leases.why_not_noted(cluster, self.place)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._performing.add(task)
        task.add_done_callback(self._performed)
        return task

    def _performed(self, task: asyncio.Task[None]) -> None:
        """Ends the loop where an action raised: an error that no adapter has mapped is a bug."""
        self._performing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken = error
            self._news.set()

    async def _feed(self, name: str) -> None:
        """Takes what a cluster reports, until the cluster is closed."""
        logs.CLUSTER.set(name)
        await self._pipelines[name].feed(
            self._engine.view(name), lambda event: self._receive(name, event), self._caught_up
        )

    def _receive(self, name: str, event: ClusterEvent) -> None:
        """Puts an event into the inbox; whether the cluster may be worked on depends on its lease too."""
        self._watcher(name, event)
        if isinstance(event, ClusterLost | ClusterSynced):
            self._reach[name] = event
            self._report_reach(name)
        else:
            self._put(event)

    async def _caught_up(self) -> None:
        """Waits until the engine has observed every event that is in the inbox now."""
        observed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._put(observed)
        await observed

    def _report_reach(self, name: str) -> None:
        """Reports to the engine whether a cluster can be worked on: it answers, and its lease is held."""
        reach = self._reach.get(name)
        lease = self._leases[name]
        if reach is not None and (lease.valid or isinstance(reach, ClusterLost)):
            self._put(reach)
            log.reached(name, reach.why if isinstance(reach, ClusterLost) else "")
        elif reach is not None and lease.why:
            self._put(ClusterLost(name, lease.why, led_by_another=True))
            log.reached(name, lease.why)

    async def _stop(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Waits a moment for the outcomes of what has been sent; then gives the leases back. May be cut short."""
        for task in tasks:
            task.cancel()
        try:
            if self._performing:
                await asyncio.wait(self._performing, timeout=5)
        finally:
            for task in self._performing:
                task.cancel()
        await asyncio.gather(*tasks, *self._performing, return_exceptions=True)
        await self._leases.resign()
