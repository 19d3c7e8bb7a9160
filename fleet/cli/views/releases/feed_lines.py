"""Prints what became of feeds that were read, as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from fleet.cli.terminal.time_format import clock

if TYPE_CHECKING:
    from fleet.app.releases.sync import SyncedFeed

NAMED = 5
"""The newest of the new releases, which are named."""


def sync_text(feeds: Sequence[SyncedFeed], now: datetime) -> Text:
    """Returns what became of each feed."""
    if not feeds:
        return Text("No stream of the policy has a feed.\n  -> docs/feeds.md")
    return Text("\n").join(_synced(feed, now) for feed in feeds)


def _synced(feed: SyncedFeed, now: datetime) -> Text:
    if feed.problem:
        kept = (
            f"the copy of {clock(feed.read_at, now)} with {feed.releases} releases counts"
            if feed.read_at is not None
            else "there is no copy"
        )
        return Text(f"{feed.stream}: {feed.problem}; {kept}", "yellow")
    new = f", new: {', '.join(feed.new[-NAMED:])}" if feed.new else ", nothing new"
    return Text(f"{feed.stream}: {feed.releases} releases{new}")
