"""Tells operators what happens: derives messages from the journal and sends them, for as long as this controller leads.

Each attempt is written before it is made, so that the next controller knows which messages may have been sent: it sends
such a message once more, with a note. Whatever goes wrong here never stops a rollout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from fleet.core.notifications.delivery import (
    KEPT,
    STALE,
    Delivery,
    DeliveryState,
    MessageText,
    deliveries,
    expired,
    in_order,
    pause_seconds,
    reminder_due,
    text_of,
)
from fleet.core.notifications.derivation import KINDS, JournalMessages
from fleet.core.notifications.standing_messages import STANDING_KINDS
from fleet.core.notifications.wanted_approvals import APPROVAL_KINDS
from fleet.core.policy.alerting.notification import Notification
from fleet.core.records.errors import FleetError, StaleEpochError
from fleet.core.records.journal import seq_of
from fleet.core.rollout.codec import from_record
from fleet.drivers.journal.log import LOG
from fleet.drivers.ports import Journal
from fleet.system.clock import Clock

LOOK_SECONDS = 2.0
"""Seconds between two looks at the journal."""
LAST_SECONDS = 15.0
"""How long a controller that has nothing left to do waits for messages that are being sent."""
AT_ONCE = 2000
"""The most journal entries that are read in one round."""
FREQUENT = ("step", "hook-started", "hook-ended")
Send = Callable[[Notification, MessageText], Awaitable[str]]
"""Returns why the receiver has not accepted the message; empty: it has."""


class MessageStore(Protocol):
    """The messages in the database. Every write raises StaleEpochError as an append to the journal does."""

    def read_until(self) -> int: ...

    def take_in(
        self, seq: int, made: Sequence[Delivery], settled: Collection[str], *, epoch: int
    ) -> Sequence[Delivery]: ...

    def put(self, delivery: Delivery, *, epoch: int) -> bool: ...

    def open(self) -> Sequence[Delivery]: ...

    def forget(self, before: datetime, *, epoch: int) -> int: ...


class Failures(NamedTuple):
    """Counts how often in a row a receiver has not accepted a message, and until when it is left alone."""

    in_row: int
    until: datetime


class Notifier:
    """The messages of one controller while it leads."""

    def __init__(
        self,
        journal: Journal,
        messages: MessageStore,
        receivers: Callable[[], Sequence[Notification]],
        send: Send,
        clock: Clock,
        epoch: int,
    ) -> None:
        """`receivers` returns those of the policy as it is now."""
        self._journal = journal
        self._messages = messages
        self._receivers = receivers
        self._send = send
        self._clock = clock
        self._epoch = epoch
        self._derived = JournalMessages()
        self._failures: dict[str, Failures] = {}
        self._sending: dict[str, asyncio.Task[None]] = {}
        """By receiver."""
        self._recovered = False
        self._reported = ""

    async def finish(self) -> None:
        """Sends what is left, and waits a moment for the receivers."""
        if self.look() and self._sending:
            await asyncio.wait(self._sending.values(), timeout=LAST_SECONDS)

    async def close(self) -> None:
        """Ends what is being sent. The next controller sends that once more."""
        tasks = list(self._sending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def look(self) -> bool:
        """Reads the journal, and starts to send what is due; called every LOOK_SECONDS. Returns False where another
        controller leads. An error is logged once, and what was not done is done the next time."""
        try:
            self._round()
            self._reported = ""
        except StaleEpochError:
            return False
        except FleetError as error:
            self._report(error.message)
        except Exception as error:
            if self._reported != repr(error):
                LOG.exception("messages: this is a bug of fleet; rollouts go on")
            self._reported = repr(error)
        return True

    def _report(self, why: str) -> None:
        if why != self._reported:
            LOG.warning("messages: %s", why)
        self._reported = why

    def _round(self) -> None:
        receivers = self._receivers()
        if not receivers:
            return
        now = self._clock.now()
        self._read(receivers, now)
        queued = self._due(receivers, now)
        for receiver in receivers:
            mine = in_order(delivery for delivery in queued if delivery.receiver == receiver.name)
            failures = self._failures.get(receiver.name)
            alone = failures is not None and now < failures.until
            if mine and not alone and receiver.name not in self._sending:
                self._start(receiver, mine)

    def _start(self, receiver: Notification, mine: Sequence[Delivery]) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(receiver, mine))
        self._sending[receiver.name] = task
        task.add_done_callback(lambda done: self._served(receiver.name, done))

    def _served(self, receiver: str, task: asyncio.Task[None]) -> None:
        self._sending.pop(receiver, None)
        if task.cancelled() or (error := task.exception()) is None or isinstance(error, StaleEpochError):
            return
        self._report(error.message if isinstance(error, FleetError) else repr(error))

    def _read(self, receivers: Sequence[Notification], now: datetime) -> None:
        """Queues the messages about the entries since the last look."""
        after = self._messages.read_until() or self._begin(now)
        if not self._recovered:
            self._catch_up_outside(after)
        made: list[Delivery] = []
        settled: list[str] = []
        seq = after
        for number, entry in enumerate(self._journal.entries(kinds=KINDS, after=after), start=1):
            known = self._derived.rollouts
            if entry.record.rollout and entry.record.kind != "start" and entry.record.rollout not in known:
                self._catch_up(entry.record.rollout, entry.seq)
            derived = self._derived.take(entry)
            for message in derived.messages:
                made += deliveries(message, receivers, now)
            settled += derived.settled
            if entry.record.kind == "finish":
                known.pop(entry.record.rollout, None)
            seq = entry.seq
            if number >= AT_ONCE:
                break
        if seq == after and seq == self._messages.read_until():
            return
        for dropped in self._messages.take_in(seq, made, settled, epoch=self._epoch):
            LOG.warning("messages: too many wait for %s, dropped: %s", dropped.receiver, dropped.title)

    def _begin(self, now: datetime) -> int:
        """Returns after which entry to begin where messages were never derived: that before those of the last day."""
        kinds = [kind for kind in KINDS if kind not in FREQUENT]
        for entry in self._journal.entries(kinds=kinds):
            if entry.at >= now - STALE:
                return entry.seq - 1
        return seq_of(self._journal.place())

    def _catch_up(self, rollout: str, before: int) -> None:
        """Takes in the entries of a rollout that an earlier controller has derived messages from."""
        for entry in self._journal.entries(rollout=rollout, kinds=KINDS):
            if entry.seq >= before:
                return
            self._derived.take(entry)

    def _catch_up_outside(self, until: int) -> None:
        """Takes in what plans and standing policies waited for when an earlier controller read the journal last."""
        kinds = (*APPROVAL_KINDS, *STANDING_KINDS)
        first = next(iter(self._journal.entries(kinds=kinds)), None)
        if first is None:
            return
        for entry in self._journal.entries(kinds=("start", *kinds), after=first.seq - 1):
            if entry.seq > until:
                return
            self._derived.take_outside(entry, from_record(entry.record))

    def _due(self, receivers: Sequence[Notification], now: datetime) -> list[Delivery]:
        """Returns what is queued, with reminders; what an earlier controller was sending is queued again, once."""
        remind = {receiver.name: receiver.remind_seconds for receiver in receivers}
        queued: list[Delivery] = []
        for delivery in self._messages.open():
            changed = delivery
            if delivery.state is DeliveryState.SENDING and not self._recovered:
                changed = _interrupted(delivery)
            elif delivery.receiver in remind and reminder_due(delivery, remind[delivery.receiver], now):
                changed = replace(
                    delivery,
                    state=DeliveryState.QUEUED,
                    queued_at=now,
                    attempts=0,
                    reminders=delivery.reminders + 1,
                    unknown=0,
                    error="",
                )
            elif delivery.state is DeliveryState.QUEUED and delivery.receiver not in remind:
                changed = replace(
                    delivery, state=DeliveryState.FAILED, error="the policy has no such receiver any more"
                )
            if changed is not delivery:
                self._messages.put(changed, epoch=self._epoch)
            if changed.state is DeliveryState.QUEUED:
                queued.append(changed)
        if not self._recovered:
            self._messages.forget(now - KEPT, epoch=self._epoch)
            self._recovered = True
        return queued

    async def _serve(self, receiver: Notification, queue: Sequence[Delivery]) -> None:
        """Sends messages to one receiver, one after another, until one is not accepted."""
        for delivery in queue:
            attempt = replace(delivery, state=DeliveryState.SENDING, attempts=delivery.attempts + 1)
            if not self._messages.put(attempt, epoch=self._epoch):
                continue
            error = await self._send(receiver, text_of(attempt))
            now = self._clock.now()
            if not error:
                self._messages.put(replace(attempt, state=DeliveryState.SENT, error=""), epoch=self._epoch)
                self._failures.pop(receiver.name, None)
                continue
            state = DeliveryState.FAILED if expired(attempt, now) else DeliveryState.QUEUED
            self._messages.put(replace(attempt, state=state, error=error), epoch=self._epoch)
            before = self._failures.get(receiver.name)
            count = 1 if before is None else before.in_row + 1
            pause = pause_seconds(count)
            self._failures[receiver.name] = Failures(count, now + timedelta(seconds=pause))
            if count == 1 or state is DeliveryState.FAILED:
                LOG.warning("messages: %s has not accepted %r: %s", receiver.name, delivery.title, error)
            return


def _interrupted(delivery: Delivery) -> Delivery:
    """Returns a delivery that a controller was sending when it ended. It is sent once more, and says so; if that was
    interrupted too, it is not sent a third time."""
    if delivery.unknown:
        error = "fleet ended twice while it was being sent"
        return replace(delivery, state=DeliveryState.FAILED, error=error)
    return replace(delivery, state=DeliveryState.QUEUED, unknown=1)
