"""Reads the calendars of the policy again."""

from __future__ import annotations

from fleet.app.wiring.feeds import fetch_calendars
from fleet.app.wiring.home import Home
from fleet.core.jobs.job import JobRun


def fetch(home: Home, run: JobRun) -> str:
    """Fetches every calendar that the policy names by URL. A calendar that cannot be read leaves its last copy as it
    was."""
    fetch_calendars(home)
    return "calendars read"
