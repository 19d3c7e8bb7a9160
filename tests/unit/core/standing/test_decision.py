"""Which release a pool goes to by itself, when, and why not yet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from fleet.core.policy.policy import ApprovalRule
from fleet.core.policy.rollout_stage import RolloutStage
from fleet.core.policy.times.freeze import Freeze
from fleet.core.policy.upgrades.upgrade_rule import SoakRule, UpgradeRule
from fleet.core.releases.phasing import Phasing
from fleet.core.releases.release import Advisory, Release
from fleet.core.standing.decision import StandingDecision, decide
from fleet.core.standing.facts import AskedPlan, RunningNodes, StandingFacts
from fleet.core.standing.reason import TEXTS, StandingReason
from fleet.core.standing.state import StandingState
from tests.unit.core.standing.builders import AUTO, DAY, NIGHTS, NOW, RELEASES, facts, rollout

HOUR = timedelta(hours=1)
SOAKED = UpgradeRule(mode="auto", soaked_in=(SoakRule(2 * 86400, pool="canary"),))


def reasons(decision: StandingDecision, version: str) -> list[StandingReason]:
    """Returns what the release lacks."""
    (found,) = (each for each in decision.candidates if each.version == version)
    return [obstacle.reason for obstacle in found.obstacles]


def reason(decision: StandingDecision) -> StandingReason | None:
    return decision.obstacle.reason if decision.obstacle is not None else None


def with_policy(found: StandingFacts, **keys: Any) -> StandingFacts:
    return replace(found, policy=replace(found.policy, **keys))


def test_a_pool_without_the_rule_is_left_to_operators() -> None:
    assert decide(facts({"44.1": 3}, UpgradeRule()), NOW).state is StandingState.MANUAL


def test_all_nodes_go_to_the_newest_release_that_qualifies() -> None:
    decision = decide(facts({"44.1": 2, "44.3": 1}), NOW)
    assert (decision.state, decision.target, decision.when) == (StandingState.START, "44.4", NOW)
    assert decision.chosen is not None
    assert decision.chosen.reach.behind == 3
    assert decision.chosen.grounds


def test_nothing_is_done_where_all_run_the_newest_release() -> None:
    assert decide(facts({"44.4": 3}), NOW).state is StandingState.UP_TO_DATE


def test_a_release_waits_for_its_delay() -> None:
    rule = UpgradeRule(mode="auto", delay_seconds=7 * 86400)
    decision = decide(facts({"44.3": 3}, rule), NOW)
    assert reasons(decision, "44.4") == [StandingReason.TOO_YOUNG]
    assert (decision.state, decision.target, decision.when) == (StandingState.WAITING, "44.4", NOW + DAY)
    assert decide(facts({"44.3": 3}, rule), NOW + DAY).state is StandingState.START


def test_an_advisory_shortens_the_delay_and_never_lengthens_it() -> None:
    rule = UpgradeRule(mode="auto", delay_seconds=86400, severity_delay={"high": 3600, "low": 99 * 86400})
    releases = [
        RELEASES[0],
        Release("44.5", released=NOW, advisories=(Advisory("CVE-1", "high"), Advisory("CVE-2", "low"))),
    ]
    found = facts({"44.1": 1}, rule, releases)
    assert decide(found, NOW).when == NOW + HOUR
    assert decide(found, NOW + HOUR).state is StandingState.START


def test_without_a_date_no_age_is_guessed() -> None:
    releases = [RELEASES[0], Release("44.5")]
    decision = decide(facts({"44.1": 1}, UpgradeRule(mode="auto", delay_seconds=60), releases), NOW)
    assert (decision.state, reason(decision)) == (StandingState.REFUSED, StandingReason.UNDATED)
    assert decide(facts({"44.1": 1}, AUTO, releases), NOW).state is StandingState.START


def test_a_denied_release_is_passed_over() -> None:
    decision = decide(facts({"44.1": 1}, UpgradeRule(mode="auto", deny=("44.4",))), NOW)
    assert (decision.state, decision.target) == (StandingState.START, "44.3")
    assert reasons(decision, "44.4") == [StandingReason.DENIED]


def test_a_pinned_pool_goes_to_its_version_alone() -> None:
    decision = decide(facts({"44.1": 1}, version="44.2"), NOW)
    assert (decision.state, decision.target) == (StandingState.START, "44.2")


@pytest.mark.parametrize(
    ("running", "releases"),
    [
        ("1.36.3+k3s1", [Release("1.26.3+k3s1")]),
        ("1.36.3+k3s1", [Release("1.36.3+k3s1"), Release("1.26.3+k3s1")]),
    ],
)
def test_a_channel_that_offers_an_older_release_is_refused(running: str, releases: list[Release]) -> None:
    """k3s-io/k3s#14530: well-formed, of status 200, and ten minor versions older than what runs."""
    decision = decide(facts({running: 3}, AUTO, releases), NOW)
    assert (decision.state, reason(decision)) == (StandingState.REFUSED, StandingReason.OLDER)
    assert decision.obstacle is not None
    assert decision.obstacle.params["newest"] == "1.26.3+k3s1"
    assert decision.obstacle.params["running"] == running
    assert decision.candidates == ()


def test_a_release_without_an_order_is_not_taken_for_an_older_one() -> None:
    decision = decide(facts({"rolling": 3}), NOW)
    assert (decision.state, reason(decision)) == (StandingState.REFUSED, StandingReason.UNORDERED)


def test_nodes_that_are_ahead_or_unknown_are_left_alone() -> None:
    decision = decide(facts({"44.1": 5, "44.9": 2, "": 1}), NOW)
    assert decision.state is StandingState.START
    assert decision.chosen is not None
    reach = decision.chosen.reach
    assert (reach.behind, reach.ahead, reach.unordered) == (5, 2, 1)


def test_a_release_that_left_the_stream_is_older_by_its_numbers() -> None:
    assert decide(facts({"43.9": 1}), NOW).target == "44.4"


def test_two_releases_wait_and_one_reboot_goes_straight_to_the_newest() -> None:
    """coreos/zincati#928: the target is that of the moment in which the window opens."""
    rule = UpgradeRule(mode="auto", delay_seconds=6 * 86400 + 7200)
    evening = NOW + timedelta(hours=10)
    found = facts({"44.1": 1}, rule, windows=NIGHTS)
    before = decide(found, NOW)
    assert reasons(before, "44.3") == []
    assert (before.target, before.when) == ("44.4", NOW.replace(hour=1) + DAY)
    assert reason(decide(found, evening)) is StandingReason.WINDOW
    assert decide(found, NOW.replace(hour=1) + DAY).target == "44.4"


def test_one_window_has_one_rollout() -> None:
    night = NOW.replace(hour=2)
    past = [rollout("r-1", "44.3", night)]
    found = facts({"44.3": 3}, past=past, windows=NIGHTS)
    decision = decide(found, night + 2 * HOUR)
    assert (decision.state, reason(decision)) == (StandingState.WAITING, StandingReason.ROUND_DONE)
    assert decision.when == NOW.replace(hour=1) + DAY
    assert decide(found, NOW.replace(hour=1) + DAY).state is StandingState.START


def test_a_pool_that_is_always_open_follows_each_release() -> None:
    found = facts({"44.3": 3}, past=[rollout("r-1", "44.3", NOW - 2 * HOUR)])
    assert decide(found, NOW).state is StandingState.START


def test_a_freeze_is_named() -> None:
    freeze = Freeze("year end", NOW - HOUR, NOW + DAY)
    decision = decide(with_policy(facts({"44.1": 1}), freezes=(freeze,)), NOW)
    assert (reason(decision), decision.when) == (StandingReason.FREEZE, NOW + DAY)


def test_a_pool_waits_for_the_rollout_that_has_its_nodes() -> None:
    """A second policy over the same nodes waits, and names what it waits for."""
    other = replace(rollout("r-7", "44.3", NOW - HOUR), active=True, state="running", by="ada")
    decision = decide(facts({"44.1": 1}, past=[other]), NOW)
    assert (decision.state, reason(decision)) == (StandingState.RUNNING, StandingReason.ROLLOUT)
    assert decision.obstacle is not None
    assert decision.obstacle.params == {"rollout": "r-7", "by": "ada"}


def test_a_halted_rollout_halts_the_policy() -> None:
    halted = replace(
        rollout("r-7", "44.4", NOW - HOUR, failed=1), active=True, state="halted", why="1 failed"
    )
    decision = decide(facts({"44.1": 1}, past=[halted]), NOW)
    assert (decision.state, reason(decision)) == (StandingState.HALTED, StandingReason.HALTED)


@pytest.mark.parametrize(
    ("past", "expected"),
    [
        (rollout("r-1", "44.4", NOW - DAY, failed=1), StandingReason.FAILED),
        (rollout("r-1", "44.4", NOW - DAY, state="aborted"), StandingReason.ABORTED),
        (rollout("r-1", "44.1", NOW - DAY, came_from="44.4"), StandingReason.ROLLED_BACK),
    ],
)
def test_nothing_is_tried_again_blindly(past: Any, expected: StandingReason) -> None:
    found = facts({"44.1": 3}, past=[past])
    decision = decide(found, NOW + 30 * DAY)
    assert (decision.state, reason(decision)) == (StandingState.HALTED, expected)
    assert not any(candidate.qualifies for candidate in decision.candidates)
    assert decision.obstacle is not None
    assert decision.obstacle.remedy
    assert decide(replace(found, resumed=NOW), NOW).state is StandingState.START


def test_a_newer_release_than_the_one_that_failed_is_tried() -> None:
    newer = Release("44.5", released=NOW + DAY)
    rule = UpgradeRule(mode="auto", delay_seconds=3600)
    found = facts({"44.1": 3}, rule, [*RELEASES, newer], [rollout("r-1", "44.4", NOW - DAY, failed=1)])
    before = decide(found, NOW)
    assert (before.state, before.target, before.when) == (StandingState.HALTED, "44.5", NOW + DAY + HOUR)
    assert decide(found, NOW + DAY + HOUR).target == "44.5"


def test_a_failed_node_that_was_released_does_not_halt_the_policy() -> None:
    past = [rollout("r-1", "44.4", NOW - DAY, failed=0)]
    assert decide(facts({"44.1": 1, "44.4": 2}, past=past), NOW).state is StandingState.START


def test_a_release_soaks_in_another_pool_first() -> None:
    found = facts({"44.1": 3}, SOAKED)
    assert reason(decide(found, NOW)) is StandingReason.NOT_SOAKED
    past = [rollout("r-1", "44.4", NOW, pool="canary")]
    soaking = decide(replace(found, past=past), NOW + DAY)
    assert (reason(soaking), soaking.when) == (StandingReason.SOAKING, NOW + HOUR + 2 * DAY)
    assert decide(replace(found, past=past), NOW + HOUR + 2 * DAY).target == "44.4"


def test_what_left_the_soak_too_early_has_not_soaked() -> None:
    past = [
        rollout("r-1", "44.3", NOW, pool="canary"),
        rollout("r-2", "44.4", NOW + DAY, pool="canary", came_from="44.3"),
    ]
    decision = decide(facts({"44.1": 3}, SOAKED, past=past), NOW + 2 * DAY)
    assert reasons(decision, "44.3") == [StandingReason.SOAK_SHORT]
    assert reasons(decision, "44.4") == [StandingReason.SOAKING]


@pytest.mark.parametrize(
    "bad",
    [
        [rollout("r-1", "44.4", NOW, pool="canary", failed=1)],
        [replace(rollout("r-1", "44.4", NOW, pool="canary", open=1), active=True, state="halted")],
        [rollout("r-1", "44.4", NOW, pool="canary", state="aborted")],
        [
            rollout("r-1", "44.4", NOW, pool="canary"),
            rollout("r-2", "44.1", NOW + 9 * DAY, pool="canary", came_from="44.4"),
        ],
    ],
)
def test_what_failed_in_the_soak_does_not_qualify(bad: list[Any]) -> None:
    decision = decide(facts({"44.1": 3}, SOAKED, past=bad), NOW + 10 * DAY)
    assert StandingReason.SOAK_FAILED in reasons(decision, "44.4")


def test_a_soak_that_went_well_in_the_end_counts() -> None:
    past = [
        rollout("r-1", "44.4", NOW, pool="canary", failed=1),
        rollout("r-2", "44.4", NOW + DAY, pool="canary"),
    ]
    assert decide(facts({"44.1": 3}, SOAKED, past=past), NOW + 9 * DAY).target == "44.4"


def test_nodes_that_were_made_with_a_release_soak_from_when_they_were_seen() -> None:
    found = facts({"44.1": 3}, SOAKED)
    canary = RunningNodes("canary", "east", "fra", "44.4", 2, NOW)
    seen = replace(found, fleet=(*found.fleet, canary))
    assert reason(decide(seen, NOW + DAY)) is StandingReason.SOAKING
    assert decide(seen, NOW + 2 * DAY).target == "44.4"
    one_left = replace(seen, fleet=(*seen.fleet, replace(canary, version="44.1", count=1)))
    assert reason(decide(one_left, NOW + 2 * DAY)) is StandingReason.NOT_SOAKED


def test_a_release_soaks_in_a_stage() -> None:
    rule = UpgradeRule(mode="auto", soaked_in=(SoakRule(86400, stage="first"),))
    stages = (RolloutStage("first", pools=("canary",), sites=("fra",)), RolloutStage("rest"))
    found = with_policy(facts({"44.1": 3}, rule), stages=stages)
    past = [rollout("r-1", "44.4", NOW, pool="canary")]
    assert decide(replace(found, past=past), NOW + 2 * DAY).target == "44.4"
    elsewhere = [rollout("r-1", "44.4", NOW, pool="canary", site="nyc")]
    assert reason(decide(replace(found, past=elsewhere), NOW + 2 * DAY)) is StandingReason.NOT_SOAKED


def test_a_barrier_is_passed_first_and_a_dead_end_never() -> None:
    releases = [
        *RELEASES[:1],
        replace(RELEASES[1], barrier="keys"),
        RELEASES[2],
        replace(RELEASES[3], dead_end=""),
    ]
    decision = decide(facts({"44.1": 3}, AUTO, releases), NOW)
    assert (decision.state, decision.target) == (StandingState.START, "44.2")
    assert reasons(decision, "44.3") == [StandingReason.BARRIER]
    assert StandingReason.DEAD_END in reasons(decision, "44.4")
    assert decide(facts({"44.1": 1, "44.2": 2}, AUTO, releases), NOW).target == "44.3"


def test_nodes_on_a_dead_end_are_left_alone() -> None:
    releases = [replace(RELEASES[0], dead_end="keys"), *RELEASES[1:]]
    decision = decide(facts({"44.1": 2, "44.2": 1}, AUTO, releases), NOW)
    assert decision.chosen is not None
    assert (decision.chosen.reach.behind, decision.chosen.reach.stuck) == (1, 2)


def test_a_release_waits_until_its_publisher_offers_it_to_all() -> None:
    phased = Release("44.5", released=NOW - DAY, rollout=Phasing(NOW - HOUR, 0.1, 120))
    decision = decide(facts({"44.4": 1}, AUTO, [*RELEASES, phased]), NOW)
    assert (reason(decision), decision.when) == (StandingReason.PHASED, NOW + HOUR)


FOUR_EYES = ApprovalRule(required=1)


def test_users_approve_where_the_pool_requires_it() -> None:
    found = facts({"44.1": 3}, approvals=FOUR_EYES)
    decision = decide(found, NOW)
    assert (decision.state, decision.ask) == (StandingState.APPROVAL, "44.4")
    asked = decide(replace(found, plans=(AskedPlan("44.4", "p-1"),)), NOW)
    assert (asked.state, asked.ask) == (StandingState.APPROVAL, "")
    approved = decide(replace(found, plans=(AskedPlan("44.4", "p-1", approved=True),)), NOW)
    assert (approved.state, approved.target) == (StandingState.START, "44.4")


def test_the_rule_may_approve_although_users_approve_other_plans() -> None:
    rule = UpgradeRule(mode="auto", approval="rule")
    assert decide(facts({"44.1": 3}, rule, approvals=FOUR_EYES), NOW).state is StandingState.START


def test_an_unapproved_release_never_replaces_an_approved_one() -> None:
    found = facts({"44.1": 3}, approvals=FOUR_EYES)
    decision = decide(replace(found, plans=(AskedPlan("44.3", "p-1", approved=True),)), NOW)
    assert (decision.state, decision.target) == (StandingState.START, "44.3")
    assert reasons(decision, "44.4") == [StandingReason.APPROVAL]


def test_a_window_that_never_opens_is_named() -> None:
    freeze = Freeze("for ever", NOW - DAY, NOW.replace(year=9500))
    decision = decide(with_policy(facts({"44.1": 1}), freezes=(freeze,)), NOW)
    assert (decision.state, reason(decision)) == (StandingState.REFUSED, StandingReason.NEVER_OPEN)


def test_a_calendar_that_was_never_read_starts_nothing() -> None:
    decision = decide(facts({"44.1": 1}, unread=("team.ics",)), NOW)
    assert (decision.state, reason(decision)) == (StandingState.REFUSED, StandingReason.CALENDAR)


def test_a_stream_and_a_pool_without_anything_are_named() -> None:
    assert reason(decide(facts({"44.1": 1}, releases=()), NOW)) is StandingReason.NO_RELEASE
    assert reason(decide(facts({}), NOW)) is StandingReason.NO_NODES


def test_every_reason_has_a_message() -> None:
    assert set(TEXTS) == set(StandingReason)


def test_a_release_that_is_too_young_and_has_not_soaked_is_waited_for() -> None:
    rule = replace(SOAKED, delay_seconds=30 * 86400)
    decision = decide(facts({"44.1": 3}, rule), NOW)
    assert (decision.state, reason(decision)) == (StandingState.WAITING, StandingReason.NOT_SOAKED)
