"""Decides how far a message to one receiver is, and what is sent next. The rules are pure; the database keeps the
deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from fleet.core.notifications.message import TITLE, Message
from fleet.core.policy.alerting.notification import Notification

MOST_QUEUED = 200
"""The most messages that wait for one receiver. Beyond that the oldest are dropped, and important ones last."""
FIRST_PAUSE, LONGEST_PAUSE = 15, 900
"""Seconds before a receiver that failed is tried again: they double up to the longest."""
GIVE_UP = timedelta(days=1)
"""A message that was not accepted so long after it was queued is given up."""
STALE = timedelta(days=1)
"""Nothing is sent about older entries of the journal, such as those from before there was a receiver."""
KEPT = timedelta(days=90)
"""How long a delivery that is over is kept."""


class DeliveryState(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    """The intent: written before the message is sent. Found by the next controller, nobody knows what came of it."""
    SENT = "sent"
    FAILED = "failed"
    """Given up: no attempt succeeded."""
    DROPPED = "dropped"
    """Too many others were waiting."""
    SETTLED = "settled"
    """Nobody has to do anything any more, and it had not been sent."""


class Delivery(Struct, frozen=True, kw_only=True):
    """A message on its way to one receiver."""

    receiver: str
    key: str
    seq: int
    at: datetime
    important: bool
    waits: bool
    title: str
    body: str
    state: DeliveryState = DeliveryState.QUEUED
    queued_at: datetime
    """Since when it is to be sent: anew for a reminder."""
    attempts: int = 0
    """The number of attempts since it was queued."""
    reminders: int = 0
    unknown: int = 0
    """How often a controller ended while it was sending this."""
    error: str = ""
    """Why the last attempt did not succeed; empty: it did, or there was none."""


class MessageText(NamedTuple):
    title: str
    body: str


def deliveries(message: Message, receivers: Iterable[Notification], now: datetime) -> list[Delivery]:
    """Returns the deliveries of a message: one for each receiver that wants it, none for an old message."""
    if message.at < now - STALE:
        return []
    return [
        Delivery(
            receiver=receiver.name,
            key=message.key,
            seq=message.seq,
            at=message.at,
            important=message.important,
            waits=message.waits,
            title=message.title,
            body=message.body,
            queued_at=now,
        )
        for receiver in receivers
        if receiver.wants(message.events, message.pools)
    ]


def in_order(queued: Iterable[Delivery]) -> list[Delivery]:
    """Returns the deliveries in the order in which they are sent: important ones first, then as they came."""
    return sorted(queued, key=lambda delivery: (not delivery.important, delivery.queued_at, delivery.seq))


def overflow(queued: Sequence[Delivery]) -> list[Delivery]:
    """Returns what of one receiver's queue is dropped because the queue is too long."""
    oldest_last = sorted(queued, key=lambda delivery: (delivery.important, delivery.seq), reverse=True)
    return oldest_last[MOST_QUEUED:]


def pause_seconds(failures: int) -> int:
    """Returns how long a receiver is left alone after so many failures in a row."""
    return min(FIRST_PAUSE << min(failures - 1, 10), LONGEST_PAUSE) if failures else 0


def reminder_due(delivery: Delivery, remind_seconds: int, now: datetime) -> bool:
    """Returns whether a message that was delivered still waits for an operator, and it is time to say so again."""
    over = delivery.state in (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.DROPPED)
    return delivery.waits and over and now >= delivery.queued_at + timedelta(seconds=remind_seconds)


def expired(delivery: Delivery, now: datetime) -> bool:
    return now >= delivery.queued_at + GIVE_UP


def text_of(delivery: Delivery) -> MessageText:
    """Returns what is sent: a reminder, and a message that may have been sent before, say so."""
    title, notes = delivery.title, list[str]()
    if delivery.reminders:
        title = f"Reminder: {title}"
        notes.append(f"This still waits for an operator, since {delivery.at:%Y-%m-%d %H:%M} UTC.")
    if delivery.unknown:
        notes.append("You may have this message already: fleet ended while it was being sent.")
    shown = title if len(title) <= TITLE else f"{title[: TITLE - 1]}…"
    return MessageText(shown, "\n".join([*notes, delivery.body]))
