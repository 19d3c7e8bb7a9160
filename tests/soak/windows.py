"""Windows by recurrence rules, minute by minute in twenty time zones through ten years, against the oracle of
`tests/wall_clock.py`.

    python -m tests.soak.windows [--years 10]

It takes some minutes a zone on one core, and names the first span that differs.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

from fleet.core.policy.schedule import Schedule
from fleet.core.policy.times.freezes import Freezes
from fleet.core.policy.windows import LevelWindows
from tests.property.test_recurring_windows import ZONES, recurring
from tests.wall_clock import OPENINGS, WallClock

MORE = (
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Jerusalem",
    "Asia/Tehran",
    "Atlantic/Azores",
    "Australia/Adelaide",
    "Europe/Dublin",
    "Europe/Lisbon",
    "Pacific/Chatham",
    "UTC",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--years", type=int, default=10)
    years = parser.parse_args().years
    begin, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024 + years, 1, 1, tzinfo=UTC)
    wrong = 0
    for zone in (*ZONES, *MORE):
        windows = [recurring(each, zone) for each in OPENINGS]
        schedule = Schedule("p", [LevelWindows("pool p", (), windows)], Freezes(()))
        expected = WallClock(zone, OPENINGS).spans(begin, end, timedelta(minutes=1))
        found = schedule.open_spans(begin, end)
        differs = [pair for pair in zip_longest(found, expected) if pair[0] != pair[1]]
        wrong += bool(differs)
        print(
            f"{zone}: {len(expected)} spans, {f'differs: {differs[0]}' if differs else 'equal'}", flush=True
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
