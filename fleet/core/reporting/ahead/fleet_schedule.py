"""Lists what happens next in a fleet, when, and why. The structs are the published JSON of `fleet schedule list`
(`docs/schemas/schedule.json`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from msgspec import Struct

from fleet.core.jobs.job import Job, JobOutcome, JobState, planned
from fleet.core.planning.plan import short_id
from fleet.core.policy.gate import AnyGate, OperatorGate, SoakGate
from fleet.core.policy.schedule import Schedule
from fleet.core.reporting.approvals import ApprovalEntry
from fleet.core.rollout.rollout import Rollout
from fleet.core.text.durations import format_duration

AHEAD = timedelta(days=90)
"""Freezes that begin later are left out."""
MOST_FREEZES = 3
"""The most freezes of one pool at one place."""

ComingKind = Literal[
    "job", "window-opens", "window-closes", "freeze-begins", "freeze-ends", "approval-lapses", "gate"
]


class LastRun(Struct, frozen=True):
    """The last run of a job."""

    due: datetime
    """The first time for which it was made."""
    began: datetime
    ended: datetime | None
    outcome: JobOutcome
    message: str
    missed: int
    """How many more times had come before it began, for which it was the only run."""


class ComingEvent(Struct, frozen=True):
    """One thing that will happen, or is due."""

    kind: ComingKind
    at: datetime | None
    """None: the time is not known, since it waits for somebody. A job that is due has a time in the past."""
    zone: str
    """The time zone of the windows there; empty where none matters."""
    subject: str
    """The job, the pool, the approval, or the gate."""
    why: str
    last: LastRun | None = None
    """The last run of a job. None: it never ran, or this is no job."""


class FleetSchedule(Struct, frozen=True):
    """Everything that will happen, sorted by time."""

    at: datetime
    leader: str
    """The controller that leads. Empty: none does, so nothing happens by itself."""
    events: tuple[ComingEvent, ...]


class ScheduledPlace(NamedTuple):
    """Nodes with one schedule, on which runs are to start."""

    pool: str
    cluster: str
    schedule: Schedule
    why: str


def fleet_schedule(
    now: datetime,
    leader: str,
    jobs: Iterable[tuple[Job, JobState | None]],
    places: Sequence[ScheduledPlace],
    approvals: Iterable[ApprovalEntry],
    rollouts: Iterable[Rollout],
) -> FleetSchedule:
    """Returns what happens next. `approvals`: those of plans that nobody has started. `rollouts`: those under way."""
    events = [
        *(_job(job, state, now) for job, state in jobs),
        *_openings(places, now),
        *(_approval(each) for each in approvals if each.state == "in force"),
        *(event for rollout in rollouts for event in _gates(rollout)),
    ]
    last = datetime.max.replace(tzinfo=now.tzinfo)
    ordered = sorted(events, key=lambda event: (event.at or last, event.kind, event.subject))
    return FleetSchedule(now, leader, tuple(ordered))


def _job(job: Job, state: JobState | None, now: datetime) -> ComingEvent:
    last = None
    if state is not None and state.began_at is not None:
        last = LastRun(
            state.due_at or state.began_at,
            state.began_at,
            state.ended_at,
            state.outcome,
            state.message,
            state.missed,
        )
    return ComingEvent("job", planned(job, state, now).next_at, "", job.name, job.why, last)


def _openings(places: Sequence[ScheduledPlace], now: datetime) -> Iterator[ComingEvent]:
    """Yields what windows and freezes do next for each pool; clusters with the same times together."""
    together: dict[ComingEvent, list[str]] = {}
    for place in places:
        for event in _of_place(place, now):
            together.setdefault(event, []).append(place.cluster)
    for event, clusters in together.items():
        named = sorted({cluster for cluster in clusters if cluster})
        where = f" in {', '.join(named)}" if named else ""
        yield ComingEvent(event.kind, event.at, event.zone, f"{event.subject}{where}", event.why)


def _of_place(place: ScheduledPlace, now: datetime) -> Iterator[ComingEvent]:
    schedule, zone, subject = place.schedule, place.schedule.zone, f"pool {place.pool}"
    if schedule.unread:
        why = f"the calendar of {schedule.unread[0]} was never read: nothing starts; {place.why}"
        yield ComingEvent("window-opens", None, zone, subject, why)
        return
    if schedule.levels:
        opens = schedule.next_window(now)
        if opens is None:
            yield ComingEvent("window-opens", None, zone, subject, f"never within ten years; {place.why}")
        elif opens > now:
            yield ComingEvent("window-opens", opens, zone, subject, place.why)
        else:
            closes = schedule.window_closes(now)
            if closes is not None:
                yield ComingEvent("window-closes", closes, zone, subject, place.why)
    for freeze in schedule.freezes.during(now, now + AHEAD)[:MOST_FREEZES]:
        name = f"freeze {freeze.name}{freeze.where}; {place.why}"
        if freeze.begin > now:
            yield ComingEvent("freeze-begins", freeze.begin, zone, subject, name)
        yield ComingEvent("freeze-ends", freeze.until, zone, subject, name)


def _approval(approval: ApprovalEntry) -> ComingEvent:
    subject = f"approval of plan {short_id(approval.plan)} by {approval.by.name}"
    why = "nobody has started a rollout of it; afterwards it needs another approval"
    return ComingEvent("approval-lapses", approval.expires, "", subject, why)


def _gates(rollout: Rollout) -> Iterator[ComingEvent]:
    """Yields when the gates that the rollout stands at pass or fail by their time."""
    for (point, name), state in rollout.gates.items():
        gate = next((each for each in point.gates(rollout.policy) if each.name == name), None)
        if gate is not None and state.open:
            seconds, why = _time_of(gate)
            at = state.reached + timedelta(seconds=seconds) if seconds is not None else None
            yield ComingEvent(
                "gate", at, "", f"gate {name} of rollout {rollout.id}", f"behind {point}: {why}"
            )


def _time_of(gate: AnyGate) -> tuple[int | None, str]:
    match gate:
        case SoakGate():
            return gate.for_seconds, "it passes"
        case OperatorGate():
            return None, "waits for an operator: fleet rollout pass"
    limit = format_duration(gate.timeout_seconds)
    return gate.timeout_seconds, f"it fails if it has not passed after {limit}"
