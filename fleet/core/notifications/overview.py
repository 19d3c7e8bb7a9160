"""The receivers of the policy, each with how far the messages to it are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from fleet.core.notifications.delivery import GIVE_UP, Delivery, DeliveryState
from fleet.core.policy.alerting.notification import Notification

LOST_SHOWN = GIVE_UP + timedelta(days=1)
"""How long after it was queued a lost message is reported."""


class ReceiverOverview(Struct, frozen=True, kw_only=True):
    name: str
    sent: int = 0
    waiting: int = 0
    """Queued, or being sent."""
    lost: int = 0
    """Given up, or dropped because too many were waiting."""
    error: str = ""
    """Why the oldest message that waits was not accepted; empty: none was refused."""


class UndeliveredMessages(Struct, frozen=True, kw_only=True):
    """Counts what one receiver has not got."""

    receiver: str
    waiting: int = 0
    """Not accepted so far; they are tried again."""
    lost: int = 0
    """Given up, or dropped because too many were waiting, lately."""
    error: str = ""
    """Why the last attempt was not accepted."""


class MessageOverview(Struct, frozen=True, kw_only=True):
    receivers: tuple[ReceiverOverview, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    """Newest first."""


def overview_of(receivers: Sequence[Notification], deliveries: Sequence[Delivery]) -> MessageOverview:
    """Returns the overview. `deliveries`: newest first; those to receivers that the policy no longer has are listed, and
    counted nowhere."""
    return MessageOverview(
        receivers=tuple(
            _receiver(receiver.name, [each for each in deliveries if each.receiver == receiver.name])
            for receiver in receivers
        ),
        deliveries=tuple(deliveries),
    )


def undelivered(deliveries: Sequence[Delivery], now: datetime) -> tuple[UndeliveredMessages, ...]:
    """Returns what each receiver has not got, by name; nothing of a receiver that has got all. `deliveries`: newest
    first."""
    waiting: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    errors: dict[str, str] = {}
    for delivery in deliveries:
        tried = delivery.state in (DeliveryState.QUEUED, DeliveryState.SENDING) and bool(delivery.error)
        over = delivery.state in (DeliveryState.FAILED, DeliveryState.DROPPED)
        waiting[delivery.receiver] += tried
        lost[delivery.receiver] += over and delivery.queued_at >= now - LOST_SHOWN
        if tried or over:
            errors.setdefault(delivery.receiver, delivery.error)
    return tuple(
        UndeliveredMessages(receiver=name, waiting=waiting[name], lost=lost[name], error=errors.get(name, ""))
        for name in sorted(waiting)
        if waiting[name] or lost[name]
    )


def _receiver(name: str, mine: Sequence[Delivery]) -> ReceiverOverview:
    counts = Counter(delivery.state for delivery in mine)
    waiting = [
        delivery for delivery in mine if delivery.state in (DeliveryState.QUEUED, DeliveryState.SENDING)
    ]
    return ReceiverOverview(
        name=name,
        sent=counts[DeliveryState.SENT],
        waiting=len(waiting),
        lost=counts[DeliveryState.FAILED] + counts[DeliveryState.DROPPED],
        error=next((delivery.error for delivery in reversed(waiting) if delivery.error), ""),
    )
