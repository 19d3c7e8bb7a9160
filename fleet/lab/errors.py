"""Errors of a lab, with messages for users."""

from __future__ import annotations

from fleet.core.records.errors import FleetError


class LabError(FleetError):
    """The lab could not be built, started, found or stopped; the message has the reason, the hint the remedy."""
