"""Receivers of messages, and the messages to them, as text."""

from __future__ import annotations

from datetime import datetime

from rich.text import Text

from fleet.cli.terminal.columns import columns
from fleet.core.notifications.delivery import Delivery
from fleet.core.notifications.overview import MessageOverview
from fleet.core.text.durations import format_age

MOST = 20
"""The most messages that are listed."""


def message_list(overview: MessageOverview, now: datetime) -> Text:
    """Returns the receivers of the policy with their counts, then the newest messages."""
    if not overview.receivers:
        return Text("Nobody gets messages: the policy has no notifications (docs/notifications.md).")
    receivers = [
        (each.name, str(each.sent), str(each.waiting), str(each.lost), each.error)
        for each in overview.receivers
    ]
    parts = [columns(("RECEIVER", "SENT", "WAITING", "LOST", "ERROR"), receivers)]
    if overview.deliveries:
        rows = [
            (f"{format_age(now - each.at)} ago", each.receiver, _state(each), each.title)
            for each in overview.deliveries[:MOST]
        ]
        parts += [Text(""), columns(("WHEN", "RECEIVER", "STATE", "MESSAGE"), rows)]
    return Text("\n").join(parts)


def _state(delivery: Delivery) -> str:
    return f"{delivery.state}, waits" if delivery.waits else str(delivery.state)
