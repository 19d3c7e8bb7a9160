"""Finds which releases of a pool's stream qualify at a moment, and what each other one lacks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import Struct, UnsetType

from fleet.core.policy.policy import Pool
from fleet.core.policy.upgrades.approver import needs_users
from fleet.core.policy.upgrades.upgrade_rule import SoakRule
from fleet.core.releases.release import Release
from fleet.core.rollout.steps import RolloutState
from fleet.core.standing.facts import StandingFacts
from fleet.core.standing.failures import soak_failure, stopped_release
from fleet.core.standing.past import InPlace
from fleet.core.standing.reach import ReleaseReach
from fleet.core.standing.reason import StandingObstacle, StandingReason
from fleet.core.text.durations import format_duration


class Candidate(Struct, frozen=True):
    """A release of the pool's stream that is newer than what some nodes of the pool run."""

    version: str
    reach: ReleaseReach
    """The nodes of the pool that would go to it, and those that are left alone."""
    obstacles: tuple[StandingObstacle, ...] = ()
    """What it lacks. Empty: it qualifies."""
    grounds: tuple[str, ...] = ()
    """What the rule asks for that the release has met, for users: one line each."""

    @property
    def qualifies(self) -> bool:
        return not self.obstacles

    @property
    def when(self) -> datetime | None:
        """Returns when it qualifies by itself; None if it qualifies, or if that does not happen or is not known."""
        times = [obstacle.when for obstacle in self.obstacles]
        known = [time for time in times if time is not None]
        return max(known) if known and len(known) == len(times) else None


class Soak(Struct, frozen=True):
    """Says how long a release ran where it soaks."""

    begin: datetime
    """When the last node there was proven."""
    rollout: str
    until: datetime | None = None
    """When another rollout began there to another release. None: it still runs there."""
    successor: str = ""
    """That rollout."""


def candidates(facts: StandingFacts, now: datetime) -> tuple[Candidate, ...]:
    """Returns all releases that are newer than what some node of the pool runs, newest first."""
    stopped = stopped_release(facts)
    last, failure = stopped if stopped is not None else (-1, None)
    places = facts.order.places
    return tuple(
        _candidate(facts, release, reach, failure if places[release.version] <= last else None, now)
        for release, reach in facts.reaches
    )


def delay_of(facts: StandingFacts, release: Release) -> tuple[timedelta, str]:
    """Returns how old the release must be, and the severity of the advisory that shortens the delay; an empty severity
    where none does."""
    delay, by = facts.rule.delay_seconds, ""
    for advisory in () if isinstance(release.advisories, UnsetType) else release.advisories:
        shorter = facts.rule.severity_delay.get(advisory.severity)
        if shorter is not None and shorter < delay:
            delay, by = shorter, advisory.severity
    return timedelta(seconds=delay), by


def _candidate(
    facts: StandingFacts,
    release: Release,
    reach: ReleaseReach,
    failure: StandingObstacle | None,
    now: datetime,
) -> Candidate:
    found: list[StandingObstacle] = []
    grounds: list[str] = []
    for part in (
        *_refusals(facts, release, reach),
        _phase(facts.pool, release, now),
        _age(facts, release, now),
        *_soaks(facts, release, now),
        failure,
    ):
        if isinstance(part, str):
            grounds.append(part)
        elif part is not None:
            found.append(part)
    version = release.version
    if needs_users(facts.pool) and not found:
        asked = next((plan for plan in facts.plans if plan.version == version), None)
        if asked is None or not asked.approved:
            found.append(_approval(asked.plan if asked else ""))
    return Candidate(version, reach, tuple(found), tuple(grounds))


def _refusals(facts: StandingFacts, release: Release, reach: ReleaseReach) -> Iterator[StandingObstacle]:
    """Yields what the policy and the stream say about this one release."""
    pool, version = facts.pool, release.version
    if version in facts.rule.deny:
        yield StandingObstacle(StandingReason.DENIED, {"pool": pool.name})
    if pool.version and version != pool.version:
        yield StandingObstacle(StandingReason.PINNED, {"pool": pool.name, "version": pool.version})
    if isinstance(release.dead_end, str):
        yield StandingObstacle(StandingReason.DEAD_END, {"why": release.dead_end or "no reason given"})
    if not reach.direct:
        first, count = next(iter(reach.barred.items()))
        yield StandingObstacle(StandingReason.BARRIER, {"barrier": first, "count": count})


def _phase(pool: Pool, release: Release, now: datetime) -> StandingObstacle | None:
    """Returns what keeps back a release that its publisher does not offer to all nodes of the pool yet; None where
    nothing does."""
    if isinstance(release.rollout, UnsetType):
        return None
    everyone = release.rollout.opens(
        pool.rollout_wariness if isinstance(pool.rollout_wariness, float) else 1.0
    )
    if everyone is not None and everyone <= now:
        return None
    share = f"{release.rollout.offered(now):.0%}"
    return StandingObstacle(StandingReason.PHASED, {"share": share}, everyone)


def _age(facts: StandingFacts, release: Release, now: datetime) -> StandingObstacle | str:
    delay, severity = delay_of(facts, release)
    long = format_duration(delay.total_seconds())
    why = f" ({severity} advisory)" if severity else ""
    if isinstance(release.released, UnsetType):
        if not delay:
            return f"no delay{why}; the stream does not say when it was released"
        params = {"delay": long, "stream": facts.stream.name, "pool": facts.pool.name}
        return StandingObstacle(StandingReason.UNDATED, {**params})
    age, from_then = now - release.released, release.released + delay
    if now < from_then:
        old = format_duration(max(0.0, age.total_seconds()))
        return StandingObstacle(
            StandingReason.TOO_YOUNG, {"age": old, "delay": long, "severity": why}, from_then
        )
    asked = f"upgrade.delay is {long}{why}" if delay else f"no delay{why}"
    return (
        f"released {release.released:%Y-%m-%d %H:%M} UTC, {format_duration(age.total_seconds())} ago; {asked}"
    )


def _soaks(facts: StandingFacts, release: Release, now: datetime) -> Iterator[StandingObstacle | str]:
    for rule in facts.rule.soaked_in:
        yield _soak(facts, rule, release.version, now)


def _soak(facts: StandingFacts, rule: SoakRule, version: str, now: datetime) -> StandingObstacle | str:
    place = rule.place
    if failed := soak_failure(facts, place, version):
        rollout, why = failed
        return StandingObstacle(StandingReason.SOAK_FAILED, {"place": place, "why": why, "rollout": rollout})
    soak = soak_of(facts, rule, version)
    if soak is None:
        return StandingObstacle(StandingReason.NOT_SOAKED, {"place": place})
    need = timedelta(seconds=rule.for_seconds)
    ran = (soak.until or now) - soak.begin
    shown = format_duration(max(0.0, ran.total_seconds()))
    asked = format_duration(rule.for_seconds)
    if ran >= need:
        since = f", since rollout {soak.rollout}" if soak.rollout else ""
        return f"ran in {place} for {shown}{since}; {asked} asked for"
    params: dict[str, str | int] = {"place": place, "ran": shown, "need": asked}
    if soak.until is not None:
        params |= {"rollout": soak.successor, "pool": facts.pool.name}
        return StandingObstacle(StandingReason.SOAK_SHORT, params)
    return StandingObstacle(StandingReason.SOAKING, params, soak.begin + need)


def soak_of(facts: StandingFacts, rule: SoakRule, version: str) -> Soak | None:
    """Returns how long all nodes of the place ran the release: from the end of its first rollout there, or from when
    fleet has seen all of them run it. None if they never did."""
    found: Soak | None = None
    for rollout, part in facts.soaks[rule.place]:
        if found is None:
            proven = rollout.version == version and rollout.state != RolloutState.ABORTED
            if proven and not part.open and part.last_done is not None:
                found = Soak(part.last_done, rollout.id)
        elif rollout.version != version and rollout.started_at >= found.begin:
            return Soak(found.begin, found.rollout, rollout.started_at, rollout.id)
    return found or _as_seen(facts, facts.holds(rule), version)


def _as_seen(facts: StandingFacts, wanted: InPlace, version: str) -> Soak | None:
    """Returns since when all nodes of the places run the release; None if they do not, or that is not known."""
    there = [nodes for nodes in facts.fleet if wanted(nodes.pool, nodes.cluster, nodes.site)]
    times = [nodes.since for nodes in there if nodes.version == version and nodes.since is not None]
    return Soak(max(times), "") if times and len(times) == len(there) else None


def _approval(plan: str) -> StandingObstacle:
    named = f" {plan}" if plan else ""
    advice = f"fleet plan approve {plan}" if plan else "the controller makes the plan"
    return StandingObstacle(StandingReason.APPROVAL, {"plan": named, "advice": advice})
