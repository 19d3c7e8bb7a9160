"""The policy that applied at a past moment, as far as it is known now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import UnsetType
from msgspec.structs import replace

from fleet.core.policy.policy import Policy
from fleet.core.releases.release import Release
from fleet.core.reporting.ended_rollout import EndedRollout

if TYPE_CHECKING:
    from fleet.core.rollout.rollout import Rollout


def policy_at(present: Policy, rollouts: Sequence[Rollout | EndedRollout], at: datetime) -> Policy:
    """Returns the policy of the last rollout that had been started by then; where there was none, the present one.
    Releases that were published later are left out.

    `rollouts`: all of them, in the order of their starts.
    """
    started = (rollout.start.policy for rollout in reversed(rollouts) if rollout.started_at <= at)
    policy = next((each for each in started if each.pools), present)
    streams = tuple(
        replace(stream, releases=tuple(each for each in stream.releases if _was_out(each, at)))
        for stream in policy.streams
    )
    return replace(policy, streams=streams)


def _was_out(release: Release, at: datetime) -> bool:
    return isinstance(release.released, UnsetType) or release.released <= at
