"""The messages about plans that lack approvals."""

from __future__ import annotations

from collections import Counter

from fleet.core.notifications import wording
from fleet.core.notifications.message import NOTHING, DerivedMessages
from fleet.core.policy.alerting.notification import NotificationEvent
from fleet.core.records.journal import JournalEntry
from fleet.core.rollout.codec import Journaled
from fleet.core.rollout.commands import ApprovalWanted, PlanApproved, PlanRejected, RolloutStarted

APPROVAL_KINDS = ("approval-wanted", "approve", "reject")
"""The kinds of the journal's records that these messages are derived from, apart from starts."""


class WantedApprovals:
    """One message for each effect, until enough users have approved it, one has rejected it, or it is superseded."""

    def __init__(self) -> None:
        self._wanted: dict[str, ApprovalWanted] = {}
        """By effect."""
        self._approved: dict[str, set[str]] = {}
        """The names of the users who have approved, by effect."""
        self._times: Counter[str] = Counter()
        """How often the approvals of an effect were wanted anew, after they were given or refused."""

    def take(self, entry: JournalEntry, record: Journaled) -> DerivedMessages:
        """Returns what this entry leads to."""
        match record:
            case ApprovalWanted() if record.effect not in self._wanted:
                settled = self._superseded(set(record.pools))
                self._wanted[record.effect] = record
                message = wording.approval_wanted(entry, self._key(record.effect), record)
                return DerivedMessages((message,), settled)
            case PlanApproved() if record.effect in self._wanted:
                approved = self._approved.setdefault(record.effect, set())
                approved.add(record.by.name)
                if len(approved) >= self._wanted[record.effect].required:
                    return DerivedMessages(settled=(self._end(record.effect),))
            case PlanRejected() if record.effect in self._wanted:
                return DerivedMessages(settled=(self._end(record.effect),))
            case RolloutStarted():
                pools = {goal.pool for goal in record.start.goals} if self._wanted else set()
                return DerivedMessages(settled=found) if (found := self._superseded(pools)) else NOTHING
        return NOTHING

    def _superseded(self, pools: set[str]) -> tuple[str, ...]:
        """Ends what is wanted for the same pools, and returns the keys."""
        effects = [effect for effect, wanted in self._wanted.items() if not pools.isdisjoint(wanted.pools)]
        return tuple(self._end(effect) for effect in effects)

    def _end(self, effect: str) -> str:
        key = self._key(effect)
        del self._wanted[effect]
        self._approved.pop(effect, None)
        self._times[effect] += 1
        return key

    def _key(self, effect: str) -> str:
        return f"{NotificationEvent.APPROVAL_WANTED}/{effect}/{self._times[effect]}"
