"""Sends a message to one receiver, so that an operator sees whether it arrives."""

from __future__ import annotations

from fleet.app.access.allowed import allowed
from fleet.app.wiring.home import Home
from fleet.app.wiring.receivers import receivers
from fleet.core.notifications.delivery import MessageText
from fleet.core.policy.access import Role
from fleet.core.records.errors import FleetError, UsageError


def send_trial(home: Home, name: str) -> None:
    """Sends a test message. Raises UsageError for a receiver that the policy does not have, and FleetError where it
    has not accepted the message."""
    import asyncio

    from fleet.receivers.receiver import send

    caller = allowed(home, Role.OPERATOR, "send a test message")
    known = receivers(home)
    receiver = next((each for each in known if each.name == name), None)
    if receiver is None:
        names = ", ".join(each.name for each in known) or "none"
        raise UsageError(f"the policy has no receiver {name}", f"it has: {names}")
    text = MessageText(
        "Test of fleet's messages",
        f"{caller.actor} asked for it. Nothing has happened, and there is nothing to do.",
    )
    if error := asyncio.run(send(receiver, text)):
        raise FleetError(f"{name} has not accepted the message: {error}", "check its URL, and the receiver")
