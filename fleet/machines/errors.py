"""The error of a machine whose operating system refuses or fails."""

from __future__ import annotations

from fleet.core.objects.machine import MESSAGE_MOST
from fleet.core.records.errors import FleetError


class MachineError(FleetError):
    """The operating system refused or failed; the message has its output, without the middle of a long text."""

    def __init__(self, message: str, hint: str = "") -> None:
        half = MESSAGE_MOST // 2
        super().__init__(
            message if len(message) <= MESSAGE_MOST else f"{message[:half]}…{message[1 - half :]}", hint
        )
