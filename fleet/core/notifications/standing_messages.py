"""The messages about standing policies that start nothing until an operator acts."""

from __future__ import annotations

from fleet.core.notifications import wording
from fleet.core.notifications.message import NOTHING, DerivedMessages
from fleet.core.policy.alerting.notification import NotificationEvent
from fleet.core.records.journal import JournalEntry
from fleet.core.rollout.codec import Journaled
from fleet.core.rollout.commands import PolicyResumed, RolloutStarted
from fleet.core.rollout.record import StandingChanged

STANDING_KINDS = ("policy-state", "resume-policy")
"""The kinds of the journal's records that these messages are derived from, apart from starts."""


class StandingMessages:
    """One message for each pool, target and reason, until the policy goes on or is resumed, or a rollout starts."""

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}
        """The key of the message that waits, by pool."""

    def take(self, entry: JournalEntry, record: Journaled) -> DerivedMessages:
        """Returns what this entry leads to."""
        match record:
            case StandingChanged() if record.reason:
                key = "/".join(
                    [NotificationEvent.REFUSED, record.pool, record.target, record.reason, record.about]
                )
                if self._waiting.get(record.pool) == key:
                    return NOTHING
                settled = self._settled({record.pool})
                self._waiting[record.pool] = key
                return DerivedMessages((wording.refused(entry, key, record),), settled)
            case StandingChanged() | PolicyResumed():
                settled = self._settled({record.pool})
            case RolloutStarted():
                pools = {goal.pool for goal in record.start.goals} if self._waiting else set()
                settled = self._settled(pools)
            case _:
                return NOTHING
        return DerivedMessages(settled=settled) if settled else NOTHING

    def _settled(self, pools: set[str]) -> tuple[str, ...]:
        return tuple(self._waiting.pop(pool) for pool in sorted(pools & self._waiting.keys()))
