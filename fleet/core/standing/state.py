"""The states of the standing policy of a pool."""

from __future__ import annotations

from enum import StrEnum


class StandingState(StrEnum):
    """Says what the standing policy of a pool does now."""

    MANUAL = "manual"
    """The pool has none: operators start its rollouts."""
    UP_TO_DATE = "up-to-date"
    START = "start"
    """A rollout is to be started now."""
    RUNNING = "running"
    """A rollout has nodes of the pool."""
    WAITING = "waiting"
    """It goes on by itself, at a time or after an event that is named."""
    APPROVAL = "approval"
    """Users have to approve a plan."""
    REFUSED = "refused"
    """Nothing of the stream may be started, and an operator has to act."""
    HALTED = "halted"
    """After a failure nothing is tried again until an operator acts, or a newer release qualifies."""


NEEDY = (StandingState.APPROVAL, StandingState.REFUSED, StandingState.HALTED)
"""The states that a user has to end."""
