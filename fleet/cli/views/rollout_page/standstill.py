"""The message that no controller is running, with the remedy. Pure."""

from __future__ import annotations

from rich.text import Text

from fleet.core.reporting.standstill import REMEDY, Standstill, sentence


def standing_still(found: Standstill, lead: str = "  ") -> Text:
    """Returns what stands still for want of a controller. `lead` stands before the sentence."""
    return Text(f"{lead}{sentence(found)}", "bold yellow") + Text(f"\n  -> {REMEDY}")
