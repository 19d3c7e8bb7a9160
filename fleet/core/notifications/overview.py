"""The receivers of the policy, each with how far the messages to it are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from fleet.core.notifications.delivery import Delivery, DeliveryState
from fleet.core.policy.alerting.notification import Notification


class ReceiverOverview(Struct, frozen=True, kw_only=True):
    name: str
    sent: int = 0
    waiting: int = 0
    """Queued, or being sent."""
    lost: int = 0
    """Given up, or dropped because too many were waiting."""
    error: str = ""
    """Why the oldest message that waits was not accepted; empty: none was refused."""

    @property
    def trouble(self) -> str:
        """Returns what an operator should know; empty: all that was to be sent has arrived."""
        parts = []
        if self.error:
            parts.append(f"{self.waiting} waiting: {self.error}")
        if self.lost:
            parts.append(f"{self.lost} lost")
        return ", ".join(parts)


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
