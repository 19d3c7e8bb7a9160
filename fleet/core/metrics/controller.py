"""Metrics of the controller, its journal, and the requests that were sent to API servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from msgspec import Struct

from fleet.core.metrics.family import MetricFamily, counter, gauge, single


class ControllerFacts(Struct, frozen=True):
    """Holds what the database says about controllers and the journal."""

    version: str
    leads: bool
    """Whether this process holds the lease."""
    led: bool
    """Whether any controller holds the lease."""
    epoch: int
    """Grows with every take-over."""
    journal_entries: int
    journal_written_at: datetime | None
    """When the newest entry was written. None: there is none."""
    signed_entries: int | None
    """Entries up to the newest signed checkpoint. None: nothing is signed."""
    requests: Mapping[tuple[str, str, str], int]
    """Requests sent so far, by cluster, verb and resource."""


def of_controller(facts: ControllerFacts) -> Iterator[MetricFamily]:
    """Yields the families about controllers and the journal."""
    yield gauge("fleet_build_info", "1, with fleet's version.", ("version",), {(facts.version,): 1.0})
    yield single("fleet_controller_leads", "1 if this process leads, 0 if it stands by.", float(facts.leads))
    yield single("fleet_controller_lease_held", "1 if any controller leads.", float(facts.led))
    yield single("fleet_controller_lease_epoch", "Grows by one with every take-over.", float(facts.epoch))
    yield single("fleet_journal_entries", "Entries in the journal.", float(facts.journal_entries))
    written = facts.journal_written_at
    yield single(
        "fleet_journal_last_entry_timestamp_seconds",
        "When the newest entry of the journal was written.",
        written.timestamp() if written is not None else None,
    )
    signed = facts.signed_entries
    yield single(
        "fleet_journal_unsigned_entries",
        "Entries since the newest signed checkpoint. No sample where nothing is signed.",
        float(facts.journal_entries - signed) if signed is not None else None,
    )
    yield counter(
        "fleet_api_requests_total",
        "Requests that controllers have sent to API servers.",
        ("cluster", "verb", "resource"),
        {key: float(count) for key, count in facts.requests.items()},
    )
