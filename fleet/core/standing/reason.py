"""Says why a standing policy does not start a rollout now, as a value. Its messages for users are made here, and only
here."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class StandingReason(StrEnum):
    """Says why a release does not qualify, or why a pool waits although one does."""

    TOO_YOUNG = "too-young"
    UNDATED = "undated"
    DENIED = "denied"
    PINNED = "pinned"
    DEAD_END = "dead-end"
    BARRIER = "barrier"
    PHASED = "phased"
    NOT_SOAKED = "not-soaked"
    SOAKING = "soaking"
    SOAK_SHORT = "soak-short"
    SOAK_FAILED = "soak-failed"
    FAILED = "failed"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled-back"
    APPROVAL = "approval"
    OLDER = "older"
    UNORDERED = "unordered"
    NO_RELEASE = "no-release"
    NO_NODES = "no-nodes"
    ROLLOUT = "rollout"
    PAUSED = "paused"
    HALTED = "halted"
    WINDOW = "window"
    FREEZE = "freeze"
    NEVER_OPEN = "never-open"
    CALENDAR = "calendar"
    ROUND_DONE = "round-done"


STOPPED = frozenset(
    {StandingReason.FAILED, StandingReason.ABORTED, StandingReason.ROLLED_BACK, StandingReason.HALTED}
)
"""Reasons for which the standing policy is halted: it tries nothing again by itself."""
PATIENT = frozenset(
    {
        StandingReason.DENIED,
        StandingReason.PINNED,
        StandingReason.DEAD_END,
        StandingReason.BARRIER,
        StandingReason.PHASED,
        StandingReason.NOT_SOAKED,
        StandingReason.SOAK_SHORT,
    }
)
"""Reasons that end with an event that is not an operator's act on this pool, such as a newer release."""

TEXTS: dict[StandingReason, tuple[str, str]] = {
    StandingReason.TOO_YOUNG: ("is {age} old, and must be {delay} old{severity}", ""),
    StandingReason.UNDATED: (
        "has no date, so whether it is {delay} old is not known",
        "give it a date in stream {stream} (released), or set upgrade.delay of pool {pool} to 0",
    ),
    StandingReason.DENIED: ("is denied", "take it out of upgrade.deny of pool {pool}"),
    StandingReason.PINNED: (
        "is not {version}, to which pool {pool} is pinned",
        "take version out of pool {pool}",
    ),
    StandingReason.DEAD_END: ("is a dead end: {why}", ""),
    StandingReason.BARRIER: ("is behind barrier {barrier}, which {count} nodes have to boot first", ""),
    StandingReason.PHASED: ("is offered to {share} of all machines so far by its publisher", ""),
    StandingReason.NOT_SOAKED: (
        "has not run in {place} yet: no rollout to it has ended there",
        "upgrade {place} to it first: fleet policy status, or fleet plan",
    ),
    StandingReason.SOAKING: ("has run in {place} for {ran}, and must run there for {need}", ""),
    StandingReason.SOAK_SHORT: (
        "ran in {place} for {ran} only, until rollout {rollout}, and had to run there for {need}",
        "shorten soaked_in.for of pool {pool}, or upgrade {place} less often",
    ),
    StandingReason.SOAK_FAILED: (
        "did not prove itself in {place}: {why} in rollout {rollout}",
        "look at that rollout: fleet rollout status {rollout}",
    ),
    StandingReason.FAILED: (
        "{version} failed on {count} of the pool's nodes in rollout {rollout}, and nothing up to it is tried by itself",
        "look at the nodes and release them (fleet rollout release NODE), or: fleet policy resume {pool}",
    ),
    StandingReason.ABORTED: (
        "rollout {rollout} to {version} was aborted by {by}, and nothing up to it is tried by itself",
        "fleet policy resume {pool}",
    ),
    StandingReason.ROLLED_BACK: (
        "{version} was rolled back by rollout {rollout}, and nothing up to it is tried by itself",
        "fleet policy resume {pool}",
    ),
    StandingReason.APPROVAL: ("waits for approval of its plan{plan}", "{advice}"),
    StandingReason.OLDER: (
        "stream {stream} offers {newest} at most, which is older than what runs ({running} on {count} nodes): refused",
        "if the nodes are to go back: fleet plan --pool {pool} --to {newest}; else correct stream {stream}",
    ),
    StandingReason.UNORDERED: (
        "whether {newest} of stream {stream} is newer than what runs ({running} on {count} nodes) is not known: refused",
        "add {running} to stream {stream}, or upgrade these nodes by hand: fleet plan --pool {pool} --to {newest}",
    ),
    StandingReason.NO_RELEASE: ("stream {stream} has no release", "add releases to stream {stream}"),
    StandingReason.NO_NODES: ("no node of the pool is known", "fleet sync; then see the pool's selector"),
    StandingReason.ROLLOUT: ("rollout {rollout}, started by {by}, has nodes of the pool", ""),
    StandingReason.PAUSED: ("rollout {rollout} was paused by {by}", "fleet rollout resume {rollout}"),
    StandingReason.HALTED: (
        "rollout {rollout} is halted: {why}",
        "see fleet rollout status {rollout}; then fleet rollout resume {rollout}, or abort",
    ),
    StandingReason.WINDOW: ("no window of the pool is open", ""),
    StandingReason.FREEZE: ("freeze {freeze} is in force", ""),
    StandingReason.NEVER_OPEN: (
        "no window of the pool ever opens",
        "see fleet window list, and correct the windows and freezes",
    ),
    StandingReason.CALENDAR: (
        "calendar {calendar} was never read",
        "fleet sync reads it; see fleet window list",
    ),
    StandingReason.ROUND_DONE: (
        "rollout {rollout} was started in this window, and one window has one rollout",
        "to start another one now: fleet plan --pool {pool}",
    ),
}
"""The message and the remedy of each reason. An empty remedy: nothing but waiting is needed."""


class StandingObstacle(Struct, frozen=True):
    """One reason why a rollout is not started."""

    reason: StandingReason
    params: dict[str, str | int] = {}
    """The names and numbers that the message and the remedy contain."""
    when: datetime | None = None
    """When it ends by itself. None: it does not, or that is not known."""

    @property
    def message(self) -> str:
        """Returns a part of a sentence whose subject is the release or the pool."""
        return TEXTS[self.reason][0].format_map(self.params)

    @property
    def remedy(self) -> str:
        """Returns the remedy. Empty: nothing but waiting is needed."""
        return TEXTS[self.reason][1].format_map(self.params)
