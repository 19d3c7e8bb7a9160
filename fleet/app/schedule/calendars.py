"""Reads the calendars of the policy again, and brings their changes to the rollouts that are under way."""

from __future__ import annotations

from fleet.app.rollouts.calendars import changed_for
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.feeds import fetch_calendars
from fleet.app.wiring.home import Home
from fleet.core.jobs.job import JobRun
from fleet.core.rollout.codec import to_record
from fleet.core.text.counts import counted


def renew(home: Home, run: JobRun) -> str:
    """Fetches every calendar that the policy names by URL, and journals what has changed for each rollout that is under way.

    A calendar that cannot be read leaves its last copy as it was, and what is returned says from when that is. Raises
    ConfigError for a policy with mistakes, such as a calendar beside it that is gone: rollouts go on by the calendars that
    are in the journal.
    """
    fetch_calendars(home)
    file = home.whole_policy()
    records = [
        record
        for rollout in Rollouts.load(home.store).active
        if (record := changed_for(rollout, file)) is not None
    ]
    if records:
        home.store.journal.append(
            [*map(to_record, records)], at=home.now(), actor=run.identity, epoch=run.epoch
        )
    changed = [f"{record.rollout}: {record.reason}" for record in records]
    return "; ".join([f"{counted(len(file.calendars), 'calendar')} read", *changed, *file.stale])
