"""Decides about the standing policy of one pool: start a rollout now, or wait, and for what."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from fleet.core.policy.upgrades.approver import needs_users
from fleet.core.rollout.steps import RolloutState
from fleet.core.standing.facts import AskedPlan, StandingFacts
from fleet.core.standing.opening import PoolOpening
from fleet.core.standing.past import PastRollout
from fleet.core.standing.qualification import Candidate, candidates
from fleet.core.standing.reason import PATIENT, STOPPED, StandingObstacle, StandingReason
from fleet.core.standing.state import StandingState


class StandingDecision(Struct, frozen=True):
    """Says what the standing policy of one pool does, and why."""

    pool: str
    state: StandingState
    target: str = ""
    """The version to start, or the one that is expected next. Empty: none is known."""
    obstacle: StandingObstacle | None = None
    """Why nothing is started now."""
    when: datetime | None = None
    """When a rollout to `target` is expected to start, as things are now. None: that depends on an event."""
    candidates: tuple[Candidate, ...] = ()
    """The releases that are newer than what some node of the pool runs, newest first."""
    ask: str = ""
    """The version for which a plan is to be made, for users to approve. Empty: none."""
    zone: str = "UTC"
    """The time zone of the pool's windows."""

    @property
    def chosen(self) -> Candidate | None:
        """Returns the target, if it is a candidate."""
        return next((each for each in self.candidates if each.version == self.target), None)


def decide(facts: StandingFacts, now: datetime) -> StandingDecision:
    """Returns what the standing policy of the pool does at `now`. The same facts and time give the same decision."""
    if facts.rule.mode == "manual":
        return StandingDecision(facts.pool.name, StandingState.MANUAL)
    found = candidates(facts, now)
    opening = PoolOpening.of(facts)
    next_start = _next_start(facts, opening, now)
    return _decision(facts, found, opening, next_start, now)


def _decision(
    facts: StandingFacts,
    found: tuple[Candidate, ...],
    opening: PoolOpening,
    next_start: tuple[datetime, str] | None,
    now: datetime,
) -> StandingDecision:
    when, target = next_start if next_start is not None else (None, found[0].version if found else "")

    def answer(state: StandingState, obstacle: StandingObstacle | None = None) -> StandingDecision:
        return StandingDecision(
            facts.pool.name, state, target, obstacle, when, found, _to_ask(facts, found), opening.zone
        )

    if busy := busy_with(facts):
        when = None
        return answer(StandingState.HALTED if busy.reason in STOPPED else StandingState.RUNNING, busy)
    if not found:
        obstacle = _nothing_newer(facts)
        return answer(StandingState.REFUSED if obstacle else StandingState.UP_TO_DATE, obstacle)
    if shut := _never_open(opening, now):
        return answer(StandingState.REFUSED, shut)
    if when is not None and any(each.qualifies for each in found):
        return answer(*_closed(facts, opening, when, now)) if when > now else answer(StandingState.START)
    state, obstacle = _lacking(found)
    if state is StandingState.HALTED or when is None:
        return answer(state, obstacle)
    waits = next(each for each in found if each.version == target)
    return answer(StandingState.WAITING, waits.obstacles[0])


def busy_with(facts: StandingFacts) -> StandingObstacle | None:
    """Returns the active rollout that has nodes of the pool, as an obstacle; None if there is none."""
    return next((_busy(rollout) for rollout, _ in facts.own if rollout.active), None)


def _busy(rollout: PastRollout) -> StandingObstacle:
    if rollout.state == RolloutState.HALTED:
        return StandingObstacle(StandingReason.HALTED, {"rollout": rollout.id, "why": rollout.why})
    if rollout.state == RolloutState.PAUSED:
        return StandingObstacle(StandingReason.PAUSED, {"rollout": rollout.id, "by": rollout.state_by})
    return StandingObstacle(StandingReason.ROLLOUT, {"rollout": rollout.id, "by": rollout.by})


def _nothing_newer(facts: StandingFacts) -> StandingObstacle | None:
    """Returns why the stream has nothing for the pool; None if all of its nodes run the newest release."""
    pool, stream = facts.pool.name, facts.stream
    newest = stream.newest
    if newest is None:
        return StandingObstacle(StandingReason.NO_RELEASE, {"stream": stream.name})
    if not any(facts.running.values()):
        return StandingObstacle(StandingReason.NO_NODES)
    for reason, wanted in ((StandingReason.OLDER, "newer"), (StandingReason.UNORDERED, "unknown")):
        versions = {
            running: count
            for running, count in sorted(facts.running.items())
            if facts.order.relation(running, newest.version) == wanted
        }
        if versions:
            running = next(iter(versions)) or "a release that is not known"
            params = {"stream": stream.name, "newest": newest.version, "pool": pool, "running": running}
            return StandingObstacle(reason, {**params, "count": sum(versions.values())})
    return None


def _next_start(facts: StandingFacts, opening: PoolOpening, now: datetime) -> tuple[datetime, str] | None:
    """Returns when a rollout could start by itself, from `now` on, and to which version: the newest that qualifies when
    a window is open. None where that does not happen by itself, or is not known."""
    moment = _after_round(facts, opening, now)
    while moment is not None and (opened := opening.opens(moment)) is not None:
        then = candidates(facts, opened)
        if ready := next((each for each in then if each.qualifies), None):
            return opened, ready.version
        times = [each.when for each in then if each.when is not None and each.when > opened]
        moment = min(times, default=None)
    return None


def _after_round(facts: StandingFacts, opening: PoolOpening, now: datetime) -> datetime | None:
    """Returns the first moment from `now` on at which the pool may have another rollout: after the window in which its
    last one was started, if that window closes at all."""
    last = last_round(facts)
    if last is None:
        return now
    closes = opening.closes(last.started_at)
    return now if closes is None else max(now, closes)


def last_round(facts: StandingFacts) -> PastRollout | None:
    """Returns the last rollout of the pool; None if it had none."""
    return max((rollout for rollout, _ in facts.own), key=lambda rollout: rollout.started_at, default=None)


def _never_open(opening: PoolOpening, now: datetime) -> StandingObstacle | None:
    """Returns why no rollout of the pool can ever start; None if one can."""
    if opening.unread:
        return StandingObstacle(StandingReason.CALENDAR, {"calendar": opening.unread})
    return StandingObstacle(StandingReason.NEVER_OPEN) if opening.opens(now) is None else None


def _closed(
    facts: StandingFacts, opening: PoolOpening, when: datetime, now: datetime
) -> tuple[StandingState, StandingObstacle]:
    """Returns why nothing starts now although a release qualifies."""
    last = last_round(facts)
    if last is not None and opening.opens(now) == now:
        params: dict[str, str | int] = {"rollout": last.id, "pool": facts.pool.name}
        return StandingState.WAITING, StandingObstacle(StandingReason.ROUND_DONE, params, when)
    if freeze := opening.freeze(now):
        return StandingState.WAITING, StandingObstacle(StandingReason.FREEZE, {"freeze": freeze}, when)
    return StandingState.WAITING, StandingObstacle(StandingReason.WINDOW, {}, when)


def _lacking(found: tuple[Candidate, ...]) -> tuple[StandingState, StandingObstacle]:
    """Returns why no release qualifies now: the approval or the failure that stands alone before a release, else
    what the newest one lacks that ends last by itself."""
    for candidate in found:
        (first, *more) = candidate.obstacles
        if not more and first.reason is StandingReason.APPROVAL:
            return StandingState.APPROVAL, first
        if not more and first.reason in STOPPED:
            return StandingState.HALTED, first
    first = min(found[0].obstacles, key=_patience)
    if first.reason in STOPPED:
        return StandingState.HALTED, first
    waits = first.when is not None or first.reason in PATIENT
    return StandingState.WAITING if waits else StandingState.REFUSED, first


def _patience(obstacle: StandingObstacle) -> int:
    """Returns how long an operator can leave an obstacle alone: what needs an act comes first, what ends by itself
    last."""
    return 2 if obstacle.when is not None else int(obstacle.reason in PATIENT)


def _to_ask(facts: StandingFacts, found: tuple[Candidate, ...]) -> str:
    """Returns the newest version that lacks nothing but an approval, if no plan of it waits for one."""
    if not needs_users(facts.pool):
        return ""
    asked: set[str] = {plan.version for plan in facts.plans if isinstance(plan, AskedPlan)}
    for candidate in found:
        if candidate.qualifies:
            return ""
        if [each.reason for each in candidate.obstacles] == [StandingReason.APPROVAL]:
            return "" if candidate.version in asked else candidate.version
    return ""
