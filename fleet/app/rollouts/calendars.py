"""The calendars by which a rollout goes: those that its plan names, with the events that they have now."""

from __future__ import annotations

from fleet.config.policy import PolicyFile
from fleet.core.policy.policy import Policy
from fleet.core.policy.times.calendar_events import changed_calendars, events_of, renewed, with_events
from fleet.core.rollout.commands import CalendarsRead
from fleet.core.rollout.goal import Start
from fleet.core.rollout.rollout import Rollout


def policy_as_read(policy: Policy, now: Policy) -> Policy:
    """Returns the policy with the events that its calendars have in the policy of now."""
    return with_events(policy, renewed(events_of(policy), events_of(now)))


def calendars_at_start(ident: str, start: Start, file: PolicyFile) -> CalendarsRead | None:
    """Returns the record of the calendars with which a rollout begins; None if its plan names no calendar."""
    before = events_of(start.policy)
    if not before:
        return None
    return CalendarsRead(
        rollout=ident, events=renewed(before, events_of(file.policy)), versions=dict(file.calendars)
    )


def changed_for(rollout: Rollout, file: PolicyFile) -> CalendarsRead | None:
    """Returns the record of the calendars by which the rollout goes from now on; None if their events are those by which it
    goes already."""
    before = events_of(rollout.policy)
    now = renewed(before, events_of(file.policy))
    names = ", ".join(changed_calendars(before, now))
    if not names:
        return None
    return CalendarsRead(
        rollout=rollout.id, events=now, versions=dict(file.calendars), reason=f"changed: {names}"
    )
