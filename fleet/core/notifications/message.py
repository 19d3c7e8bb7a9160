"""A message to operators, with the key under which it is sent once."""

from __future__ import annotations

import re
from datetime import datetime

from msgspec import Struct

from fleet.core.policy.alerting.notification import IMPORTANT, NotificationEvent
from fleet.core.text.visible import visible

TITLE = 120
"""The longest title, in characters."""
PART = 300
"""The longest part of a message that comes from a cluster, a host or an operator, in characters."""
PING = r"@(?=everyone|here|channel|all|room)|<(?=[@!#])"
"""Text that chat programs take for an order to alert everyone."""


class Message(Struct, frozen=True, kw_only=True):
    """Says what happened, why, and what an operator does next, as plain text without secrets."""

    key: str
    """The object, its release and the outcome, and nothing that differs between two reports of the same: no time, no
    duration, no number of nodes."""
    seq: int
    """The journal entry that the message is about."""
    at: datetime
    events: tuple[NotificationEvent, ...]
    """A receiver gets the message if it wants one of these."""
    rollout: str = ""
    pools: tuple[str, ...] = ()
    title: str
    body: str
    waits: bool = False
    """Whether it waits for an operator. Such a message is sent again after a while."""

    @property
    def important(self) -> bool:
        return not IMPORTANT.isdisjoint(self.events)


class DerivedMessages(Struct, frozen=True):
    """Holds what entries of the journal lead to."""

    messages: tuple[Message, ...] = ()
    settled: tuple[str, ...] = ()
    """The keys of messages that wait for an operator no longer."""


NOTHING = DerivedMessages()


def quoted(text: str, most: int = PART) -> str:
    """Returns a text from elsewhere for use in a message: on one line, visible, short, and unable to alert a chat room."""
    plain = re.sub(PING, "(at)", visible(text), flags=re.IGNORECASE)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"
