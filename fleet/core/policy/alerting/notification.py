"""Notifications: which receivers get which messages."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from fleet.core.policy.bounds import AtLeastOne


class NotificationEvent(StrEnum):
    """Names what a message is about."""

    STARTED = "started"
    HALTED = "halted"
    APPROVAL_WANTED = "approval-wanted"
    GATE_FAILED = "gate-failed"
    HOOK_FAILED = "hook-failed"
    REFUSED = "refused"
    """A standing policy starts nothing until an operator acts."""
    ABORTED = "aborted"
    DONE = "done"


IMPORTANT = frozenset(
    {
        NotificationEvent.HALTED,
        NotificationEvent.APPROVAL_WANTED,
        NotificationEvent.GATE_FAILED,
        NotificationEvent.HOOK_FAILED,
        NotificationEvent.REFUSED,
    }
)
"""These are sent before all others: the rollout does not go on without an operator."""


class Notification(Struct, frozen=True, kw_only=True):
    """A receiver of messages. Its URL is a secret: the policy names the file or the variable that has the URL."""

    name: str
    url_file: str = ""
    """The absolute path of a file whose first line is the URL. Empty: `url_env` is given."""
    url_env: str = ""
    """The environment variable of the controller that has the URL. Empty: `url_file` is given."""
    on: frozenset[NotificationEvent] = frozenset(NotificationEvent)
    pools: tuple[str, ...] = ()
    """Only messages about rollouts with nodes of one of these pools; empty for all."""
    remind_seconds: AtLeastOne = 86400
    """The time after which a message is sent again while it still waits for an operator."""

    def wants(self, events: tuple[NotificationEvent, ...], pools: tuple[str, ...]) -> bool:
        """Returns whether a message about these events and pools is for this receiver. A message without pools is about
        the whole fleet."""
        about = not (self.pools and pools) or not set(self.pools).isdisjoint(pools)
        return about and not self.on.isdisjoint(events)
