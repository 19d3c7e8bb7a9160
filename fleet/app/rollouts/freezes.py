"""Brings the freezes of the policy to the rollouts that are under way: a freeze holds what runs, also when it was added
after the plan was made, and lets it go on when it is lifted."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256

from msgspec import Struct, UnsetType

from fleet.app.rollouts.calendars import policy_as_read
from fleet.app.wiring.home import Home
from fleet.config.policy import load_file
from fleet.core.policy.policy import Policy
from fleet.core.policy.times.calendar_events import (
    CalendarVersion,
    calendars_now,
    changed_freezes,
    with_freezes,
)
from fleet.core.records.errors import UsageError
from fleet.core.rollout.commands import FreezesChanged
from fleet.core.rollout.goal import Start
from fleet.core.rollout.rollout import Rollout


class PolicyOfNow(Struct, frozen=True):
    """The policy as its file has it."""

    policy: Policy
    version: CalendarVersion


def policy_of_now(home: Home) -> PolicyOfNow:
    """Returns the policy of the home. Raises ConfigError for a policy with mistakes, and UsageError where there is none or
    where the file cannot be read."""
    try:
        text, written = home.policy_file.read_bytes(), home.policy_file.stat().st_mtime
    except OSError as error:
        raise UsageError(f"{home.policy_file} cannot be read: {error.strerror}", home.write_policy) from None
    version = CalendarVersion(sha256(text).hexdigest(), datetime.fromtimestamp(written, UTC))
    return PolicyOfNow(load_file(home.policy_file)[0].policy, version)


def freezes_at_start(ident: str, start: Start, found: PolicyOfNow, at: datetime) -> FreezesChanged | None:
    """Returns the record of the freezes with which a rollout begins; None if they are those of its plan."""
    if not isinstance(start.override_freeze, UnsetType):
        return None
    return _changed(ident, policy_as_read(start.policy, found.policy), found, at)


def freezes_for(rollout: Rollout, found: PolicyOfNow, at: datetime) -> FreezesChanged | None:
    """Returns the record of the freezes by which the rollout goes from now on; None if it goes by them already, or by
    none."""
    if rollout.override_freeze or not rollout.active:
        return None
    return _changed(rollout.id, rollout.policy, found, at)


def _changed(ident: str, before: Policy, found: PolicyOfNow, at: datetime) -> FreezesChanged | None:
    changes = changed_freezes(before, found.policy, at)
    if not changes:
        return None
    return FreezesChanged(
        rollout=ident,
        freezes=found.policy.freezes,
        calendars=calendars_now(before.freeze_calendars, found.policy.freeze_calendars),
        policy=found.version,
        reason="; ".join(changes),
    )


def with_freezes_of(policy: Policy, now: Policy) -> Policy:
    """Returns the policy with the freezes of another."""
    return with_freezes(policy, now.freezes, now.freeze_calendars)
