"""Lists the receivers of messages, and how far the messages to them are."""

from __future__ import annotations

from fleet.app.wiring.home import Home
from fleet.app.wiring.receivers import receivers
from fleet.core.notifications.overview import MessageOverview, overview_of


def overview(home: Home) -> MessageOverview:
    """Returns the receivers of the policy with the messages to them. Raises ConfigError for a policy with mistakes."""
    return overview_of(receivers(home), home.store.messages.all())
