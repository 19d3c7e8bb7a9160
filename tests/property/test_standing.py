"""Standing policies: what qualifies goes on to qualify, nothing goes below what runs, and what was denied or has failed
is never started."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.core.policy.policy import ApprovalRule
from fleet.core.policy.times.freeze import Freeze
from fleet.core.policy.upgrades.approver import needs_users
from fleet.core.policy.upgrades.upgrade_rule import SoakRule, UpgradeRule
from fleet.core.releases.release import Advisory, Release
from fleet.core.standing.decision import decide
from fleet.core.standing.facts import AskedPlan, StandingFacts
from fleet.core.standing.past import PastRollout
from fleet.core.standing.qualification import candidates
from fleet.core.standing.reach import ReleaseOrder
from fleet.core.standing.state import StandingState
from tests.unit.core.standing.builders import DAY, NIGHTS, NOW, facts, rollout

HOURS = st.integers(0, 24 * 30).map(lambda hours: timedelta(hours=hours))
MOMENTS = HOURS.map(lambda after: NOW + after)
VERSIONS = st.sampled_from([f"44.{number}" for number in range(1, 7)])
RUNNING = st.sampled_from([*(f"44.{number}" for number in range(1, 9)), "43.9", "rolling", ""])
SEVERITIES = st.sampled_from(["critical", "high", "medium", "low"])
SECONDS = st.integers(0, 10 * 86400)
RULES = st.builds(
    UpgradeRule,
    mode=st.just("auto"),
    delay_seconds=SECONDS,
    severity_delay=st.dictionaries(SEVERITIES, SECONDS, max_size=2),
    soaked_in=st.lists(
        st.builds(SoakRule, for_seconds=st.integers(1, 5 * 86400), pool=st.just("canary")), max_size=1
    ).map(tuple),
    deny=st.lists(VERSIONS, max_size=2).map(tuple),
    approval=st.sampled_from(["rule", "user"]),
)


@st.composite
def streams(draw: st.DrawFn) -> list[Release]:
    count = draw(st.integers(1, 6))
    return [
        Release(
            f"44.{number}",
            released=NOW + draw(HOURS) - 15 * DAY,
            advisories=draw(
                st.lists(st.builds(Advisory, st.just("CVE-1"), SEVERITIES), max_size=1).map(tuple)
            ),
        )
        for number in range(1, count + 1)
    ]


@st.composite
def pasts(draw: st.DrawFn) -> list[PastRollout]:
    count = draw(st.integers(0, 3))
    return [
        replace(
            rollout(
                f"r-{number}",
                draw(VERSIONS),
                NOW - draw(HOURS),
                pool=draw(st.sampled_from(["workers", "canary"])),
                came_from=draw(VERSIONS),
                failed=draw(st.integers(0, 1)),
            ),
            state=draw(st.sampled_from(["finished", "aborted"])),
        )
        for number in range(count)
    ]


@st.composite
def standings(draw: st.DrawFn) -> StandingFacts:
    releases = draw(streams())
    found = facts(
        draw(st.dictionaries(RUNNING, st.integers(1, 3), max_size=3)),
        draw(RULES),
        releases,
        draw(pasts()),
        windows=draw(st.sampled_from([(), NIGHTS])),
        approvals=ApprovalRule(required=1),
    )
    freezes = draw(st.lists(MOMENTS.map(lambda begin: Freeze("f", begin, begin + DAY)), max_size=1))
    plans = draw(st.lists(st.builds(AskedPlan, VERSIONS, st.just("p-1"), st.booleans()), max_size=2))
    return replace(found, policy=replace(found.policy, freezes=tuple(freezes)), plans=tuple(plans))


@given(standings(), MOMENTS, HOURS)
def test_what_qualifies_goes_on_to_qualify(found: StandingFacts, now: datetime, more: timedelta) -> None:
    early = {each.version for each in candidates(found, now) if each.qualifies}
    late = {each.version for each in candidates(found, now + more) if each.qualifies}
    assert early <= late


@given(standings(), MOMENTS)
def test_what_is_started_is_newer_than_what_its_nodes_run(found: StandingFacts, now: datetime) -> None:
    decision = decide(found, now)
    if decision.state is not StandingState.START:
        return
    assert decision.chosen is not None
    direct = decision.chosen.reach.direct
    order = ReleaseOrder(found.stream)
    assert direct
    assert all(order.relation(running, decision.target) == "older" for running in direct)
    assert sum(direct.values()) == decision.chosen.reach.behind


@given(standings(), MOMENTS)
def test_what_was_denied_or_failed_or_is_not_approved_is_never_started(
    found: StandingFacts, now: datetime
) -> None:
    decision = decide(found, now)
    if decision.state is not StandingState.START:
        return
    assert decision.target not in found.rule.deny
    last = [
        each for each in found.past if each.version == decision.target and each.parts[0].pool == "workers"
    ][-1:]
    assert all(each.state == "finished" and not each.parts[0].failed for each in last)
    if needs_users(found.pool):
        first = next(plan for plan in found.plans if plan.version == decision.target)
        assert first.approved


@given(standings(), MOMENTS)
def test_the_expected_start_comes_true(found: StandingFacts, now: datetime) -> None:
    """Unless something happens in between."""
    decision = decide(found, now)
    if decision.when is not None:
        then = decide(found, decision.when)
        assert (then.state, then.target) == (StandingState.START, decision.target)


@given(standings(), MOMENTS)
def test_what_is_not_started_says_why(found: StandingFacts, now: datetime) -> None:
    decision = decide(found, now)
    settled = (StandingState.START, StandingState.UP_TO_DATE)
    assert (decision.obstacle is None) == (decision.state in settled)
    assert all(obstacle.message for candidate in decision.candidates for obstacle in candidate.obstacles)
    if decision.obstacle is not None and decision.when is None:
        halted = decision.state in (StandingState.HALTED, StandingState.REFUSED)
        assert decision.obstacle.remedy or not halted
