"""What can go wrong with a lab, in words for a person."""

from __future__ import annotations

from fleet.core.records.errors import FleetError


class LabError(FleetError):
    """The lab could not be built, started, found or stopped; the message says why, the hint what to do."""
