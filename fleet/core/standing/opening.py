"""Computes when any node of a pool may start: the windows of all places in which the pool has nodes, taken together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fleet.core.policy.schedule import Schedule
from fleet.core.standing.facts import StandingFacts


class PoolOpening:
    """The open times of a pool: while any of its nodes may start."""

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        self.schedules = tuple(schedules)

    @classmethod
    def of(cls, facts: StandingFacts) -> PoolOpening:
        """Returns the open times by the policy's windows and freezes."""
        schedules = facts.schedules()
        found = {
            id(schedule): schedule
            for cluster, site in sorted(facts.places)
            if (schedule := schedules.of(facts.pool.name, cluster, site))
        }
        return cls(tuple(found.values()))

    @property
    def unread(self) -> str:
        """Returns a calendar that was never read, if that keeps all nodes from starting; empty otherwise."""
        if any(not schedule.unread for schedule in self.schedules):
            return ""
        return next((schedule.unread[0] for schedule in self.schedules), "")

    @property
    def zone(self) -> str:
        """Returns the time zone in which moments are shown to users."""
        return next((schedule.zone for schedule in self.schedules), "UTC")

    def freeze(self, now: datetime) -> str:
        """Returns the name of a freeze that is in force; empty if none is."""
        found = (schedule.freezes.in_force(now) for schedule in self.schedules)
        return next((freeze.name for freeze in found if freeze is not None), "")

    def opens(self, now: datetime) -> datetime | None:
        """Returns the first open moment from `now` on, `now` included; None if there is none."""
        times = [schedule.opens(now) for schedule in self.schedules if not schedule.unread]
        return min((time for time in times if time is not None), default=None)

    def closes(self, now: datetime) -> datetime | None:
        """Returns when the open time that contains `now` ends: `now` itself if nothing is open, None if it never
        ends."""
        end = now
        while True:
            further = end
            for schedule in self.schedules:
                closes = schedule.closes(end) if not schedule.unread else end
                if closes is None:
                    return None
                further = max(further, closes)
            if further == end:
                return end
            end = further
