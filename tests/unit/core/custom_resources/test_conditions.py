"""The status that fleet's objects get: conditions with their reasons, and when they are written again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from fleet.core.custom_resources.condition import ConditionState, StatusCondition, updated
from fleet.core.custom_resources.condition_reason import reason_of
from fleet.core.custom_resources.policy_conditions import (
    ObjectMistakes,
    PolicyFacts,
    freeze_status,
    quorum_group_status,
    ready,
    release_stream_status,
    upgrade_policy_status,
)
from fleet.core.custom_resources.policy_objects import (
    FreezeStatus,
    QuorumGroupStatus,
    ReleaseStreamStatus,
    UpgradePolicyStatus,
)
from fleet.core.custom_resources.rollout import RolloutStatus
from fleet.core.custom_resources.rollout_conditions import expected_end, rollout_status, waiting_status
from fleet.core.objects.node import NodeRef
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release_list import FeedState
from fleet.core.reporting.status import StatusQuorum
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import RolloutState, Step
from fleet.lab.simulation.builders import NEW, START, a_policy
from tests.unit.core.custom_resources.nodes import a_status_node

LATER = START + timedelta(hours=1)
WINDOW = Held(Reason.WINDOW, params={"opens": "Sat 01:00"})
BUDGET = Held(Reason.BUDGET_NEVER, "shop/web")
QUORUM = Held(Reason.QUORUM, "east-etcd")


def a_rollout(*steps: Step, state: RolloutState = RolloutState.RUNNING, why: str = "") -> Rollout:
    goals = [Goal(NodeRef("east", f"n{index}"), f"u{index}", "workers") for index in range(len(steps))]
    rollout = Rollout("r-1", Start("p-1", NEW, a_policy(), tuple(goals)), START, "ada@desk")
    rollout.counts.clear()
    for goal, step in zip(goals, steps, strict=True):
        rollout.runs[goal.node] = Run(goal, NEW, step, START)
        rollout.counts[step] += 1
    rollout.state, rollout.why, rollout.state_by = state, why, "eve@desk"
    if state in (RolloutState.FINISHED, RolloutState.ABORTED):
        rollout.ended_at = LATER
    return rollout


def of(conditions: Sequence[StatusCondition], type_: str) -> tuple[str, str]:
    (found,) = [each for each in conditions if each.type == type_]
    return found.status, found.reason


def status_of(rollout: Rollout, **held: Held) -> RolloutStatus:
    reasons = {NodeRef("east", node): (why,) for node, why in held.items()}
    return rollout_status(RolloutStatus(), rollout, reasons, START, 3)


@pytest.mark.parametrize(
    ("rollout", "held", "progressing", "is_held", "degraded", "complete"),
    [
        (
            a_rollout(Step.DRAIN, Step.PENDING),
            {"n1": WINDOW},
            ("True", "RolloutInProgress"),
            ("False", "NothingHeld"),
            ("False", "AsExpected"),
            ("False", "NotComplete"),
        ),
        (
            a_rollout(Step.DONE, Step.PENDING),
            {"n1": WINDOW},
            ("False", "OutsideWindow"),
            ("False", "NothingHeld"),
            ("False", "AsExpected"),
            ("False", "NotComplete"),
        ),
        (
            a_rollout(Step.DONE, Step.STAGED),
            {"n1": BUDGET},
            ("False", "DrainBlocked"),
            ("True", "DrainBlocked"),
            ("False", "AsExpected"),
            ("False", "NotComplete"),
        ),
        (
            a_rollout(Step.STAGED, Step.STAGED),
            {"n0": WINDOW, "n1": QUORUM},
            ("False", "QuorumAtRisk"),
            ("True", "QuorumAtRisk"),
            ("False", "AsExpected"),
            ("False", "NotComplete"),
        ),
        (
            a_rollout(Step.DONE, Step.PENDING, state=RolloutState.PAUSED, why="lunch"),
            {},
            ("False", "Paused"),
            ("False", "NothingHeld"),
            ("False", "AsExpected"),
            ("False", "NotComplete"),
        ),
        (
            a_rollout(Step.FAILED, Step.PENDING, state=RolloutState.HALTED, why="n0 has failed"),
            {},
            ("False", "RolloutHalted"),
            ("False", "NothingHeld"),
            ("True", "RolloutHalted"),
            ("False", "NotComplete"),
        ),
        (
            a_rollout(Step.DONE, Step.DONE, state=RolloutState.FINISHED),
            {},
            ("False", "Complete"),
            ("False", "NothingHeld"),
            ("False", "AsExpected"),
            ("True", "Complete"),
        ),
        (
            a_rollout(Step.DONE, Step.FAILED, state=RolloutState.FINISHED),
            {},
            ("False", "Complete"),
            ("False", "NothingHeld"),
            ("True", "NodesFailed"),
            ("True", "Complete"),
        ),
        (
            a_rollout(Step.DONE, Step.CANCELLED, state=RolloutState.ABORTED, why="wrong release"),
            {},
            ("False", "Aborted"),
            ("False", "NothingHeld"),
            ("False", "AsExpected"),
            ("False", "Aborted"),
        ),
    ],
)
def test_conditions_of_a_rollout(
    rollout: Rollout,
    held: dict[str, Held],
    progressing: tuple[str, str],
    is_held: tuple[str, str],
    degraded: tuple[str, str],
    complete: tuple[str, str],
) -> None:
    found = status_of(rollout, **held)
    assert of(found.conditions, "Ready") == ("True", "Planned")
    assert of(found.conditions, "Approved") == ("True", "NotRequired")
    assert of(found.conditions, "Progressing") == progressing
    assert of(found.conditions, "Held") == is_held
    assert of(found.conditions, "Degraded") == degraded
    assert of(found.conditions, "Complete") == complete
    assert {each.observed_generation for each in found.conditions} == {3}


def test_numbers_of_a_rollout() -> None:
    rollout = a_rollout(Step.DONE, Step.DRAIN, Step.FAILED, Step.CANCELLED, Step.PENDING, Step.STAGED)
    found = status_of(rollout, n4=WINDOW, n5=WINDOW)
    assert (found.nodes, found.done, found.working, found.failed, found.cancelled) == (6, 1, 1, 1, 1)
    assert (found.progress, found.rollout, found.plan) == ("1/6", "r-1", "p-1")
    assert [(each.reason, each.nodes) for each in found.held] == [("window", 2)]


def test_status_is_the_same_while_nothing_happens() -> None:
    """What is the same is not written again, and the time of a condition is that of its status."""
    rollout = a_rollout(Step.DRAIN, Step.PENDING)
    first = rollout_status(RolloutStatus(), rollout, {}, START, 1, eta=600)
    again = rollout_status(first, rollout, {}, START + timedelta(seconds=20), 1, eta=585)
    assert again == first
    rollout.state = RolloutState.PAUSED
    paused = rollout_status(again, rollout, {}, LATER, 1)
    times = {each.type: each.last_transition_time for each in paused.conditions}
    assert times["Progressing"] == LATER.replace(microsecond=0)
    assert times["Ready"] == START.replace(microsecond=0)


def test_refused_command_changes_only_the_condition_ready() -> None:
    rollout = a_rollout(Step.DRAIN)
    before = rollout_status(RolloutStatus(), rollout, {}, START, 1)
    refused = rollout_status(RolloutStatus(), rollout, {}, START, 1, refused="not allowed")
    (ready,) = [new for old, new in zip(before.conditions, refused.conditions, strict=True) if new != old]
    assert (ready.type, ready.status, ready.reason) == ("Ready", "False", "Refused")
    assert ready.message == "not allowed"


def test_reason_alone_changes_no_time() -> None:
    before = updated((), [ConditionState("Held", "True", "DrainBlocked", "a")], 1, START)
    after = updated(before, [ConditionState("Held", "True", "QuorumAtRisk", "b")], 2, LATER)
    assert after[0].last_transition_time == before[0].last_transition_time
    assert (after[0].reason, after[0].message, after[0].observed_generation) == ("QuorumAtRisk", "b", 2)


def test_expected_end_is_kept_while_it_says_the_same() -> None:
    first = expected_end(UNSET, 3600, START)
    assert isinstance(first, datetime) and first.second == 0 and first >= START + timedelta(seconds=3600)
    assert expected_end(first, 3600 - 60, START + timedelta(seconds=30)) == first
    assert expected_end(first, 7200, START) != first
    assert expected_end(first, None, START) is UNSET


def test_rollout_that_waits_for_approval() -> None:
    found = waiting_status(RolloutStatus(), "p-1", "44.2", 2, ("eve",), START, 1)
    assert of(found.conditions, "Approved") == ("False", "WaitingForApproval")
    assert of(found.conditions, "Progressing") == ("False", "WaitingForApproval")
    assert found.approved_by == ("eve",)


def test_status_goes_to_the_api_and_back() -> None:
    found = status_of(a_rollout(Step.DRAIN, Step.PENDING), n1=WINDOW)
    encoded = msgspec.json.encode(found)
    assert msgspec.json.decode(encoded, type=RolloutStatus) == found
    assert b'"observedGeneration":3' in encoded and b'"startedAt"' in encoded


def test_every_reason_has_a_word() -> None:
    assert {reason_of(Held(reason)) for reason in Reason}
    assert reason_of(Held(Reason.QUORUM_STRETCH)) == "QuorumAtRisk"
    assert reason_of(Held(Reason.FOREIGN_CORDON)) == "NodeConflict"


def test_object_with_mistakes_is_not_ready() -> None:
    assert (ready(ObjectMistakes()).status, ready(ObjectMistakes()).reason) == ("True", "InForce")
    wrong = ready(ObjectMistakes(problems=("spec.canaries: x",), elsewhere=("freezes/f",)))
    assert (wrong.status, wrong.reason, wrong.message) == ("False", "InvalidPolicy", "spec.canaries: x")
    assert ready(ObjectMistakes(elsewhere=("freezes/f",))).reason == "InvalidPolicy"
    conflict = ready(ObjectMistakes(conflicts=("spec.order: x",)))
    assert (conflict.status, conflict.reason) == ("True", "Conflict")


@pytest.mark.parametrize(
    ("facts", "up_to_date", "degraded"),
    [
        (PolicyFacts("1", ()), ("Unknown", "NoNodes"), ("False", "AsExpected")),
        (PolicyFacts("", (a_status_node("a"),)), ("Unknown", "NoStream"), ("False", "AsExpected")),
        (
            PolicyFacts("1", (a_status_node("a", "unknown"),)),
            ("Unknown", "NodesUnknown"),
            ("False", "AsExpected"),
        ),
        (PolicyFacts("1", (a_status_node("a", "patched"),)), ("True", "Current"), ("False", "AsExpected")),
        (PolicyFacts("1", (a_status_node("a"),)), ("False", "Outdated"), ("False", "AsExpected")),
        (
            PolicyFacts("1", (a_status_node("a", "failed"),), rollout="r-1"),
            ("False", "RolloutInProgress"),
            ("True", "NodesFailed"),
        ),
    ],
)
def test_conditions_of_a_policy(
    facts: PolicyFacts, up_to_date: tuple[str, str], degraded: tuple[str, str]
) -> None:
    found = upgrade_policy_status(UpgradePolicyStatus(), ObjectMistakes(), facts, START, 2)
    assert of(found.conditions, "UpToDate") == up_to_date
    assert of(found.conditions, "Degraded") == degraded
    assert of(found.conditions, "Progressing") == ("False", "Idle")


def test_held_nodes_of_a_policy() -> None:
    node = replace(a_status_node("a", "held"), held=("budget shop/web allows no eviction",))
    found = upgrade_policy_status(
        UpgradePolicyStatus(), ObjectMistakes(), PolicyFacts("1", (node,)), START, 2
    )
    assert of(found.conditions, "Held")[0] == "True"
    assert (found.held, found.nodes, found.up_to_date) == (1, 1, 0)


def test_freeze_is_active_in_its_time_and_not_with_mistakes() -> None:
    span = (START - timedelta(hours=1), LATER)
    inside = freeze_status(FreezeStatus(), ObjectMistakes(), span, START, 1)
    assert of(inside.conditions, "Active") == ("True", "Active")
    assert of(freeze_status(inside, ObjectMistakes(), span, LATER, 1).conditions, "Active")[0] == "False"
    assert freeze_status(inside, ObjectMistakes(), UNSET, LATER, 1).begins_at is UNSET
    wrong = freeze_status(FreezeStatus(), ObjectMistakes(("x",)), span, START, 1)
    assert of(wrong.conditions, "Active")[0] == "False"


def test_group_of_which_a_member_is_missing_is_degraded() -> None:
    group = StatusQuorum("g", "east", "etcd", 3, 2, 2, ailing=("m3 does not answer",))
    found = quorum_group_status(QuorumGroupStatus(), ObjectMistakes(), group, START, 1)
    assert of(found.conditions, "Degraded") == ("True", "MembersMissing")
    unread = quorum_group_status(QuorumGroupStatus(), ObjectMistakes(), None, START, 1)
    assert of(unread.conditions, "Degraded")[0] == "Unknown"


def test_text_of_a_cluster_moves_no_cursor_and_hides_nothing() -> None:
    state = ConditionState("Ready", "False", "Refused", "n1 \x1b[2Jfailed\u202e\n  second")
    (found,) = updated((), (state,), 1, START)
    assert found.message == "n1 \\x1b[2Jfailed\\u202e\n  second"
    rollout = a_rollout(Step.PENDING)
    held = {next(iter(rollout.runs)): (Held(Reason.BUDGET_NEVER, "shop/\x1b[2Jweb"),)}
    (group,) = rollout_status(RolloutStatus(), rollout, held, START, 1).held
    assert group.message.isprintable()


@pytest.mark.parametrize(
    ("feed", "condition"),
    [
        (FeedState("list at a", START), ("True", "AsExpected")),
        (FeedState("list at a", START, problem="410 Gone"), ("False", "FeedUnreadable")),
        (FeedState("list at a", problem="410 Gone"), ("False", "FeedUnreadable")),
        (FeedState("list at a"), ("Unknown", "FeedUnread")),
    ],
)
def test_stream_says_when_its_feed_was_read_and_why_it_was_not(
    feed: FeedState, condition: tuple[str, str]
) -> None:
    status = release_stream_status(ReleaseStreamStatus(), ObjectMistakes(), ["44.1"], feed, LATER, 1)
    assert of(status.conditions, "FeedRead") == condition
    assert of(status.conditions, "Ready") == ("True", "InForce")
    assert (status.read_at or None) == feed.read_at


def test_stream_without_a_feed_says_nothing_of_one() -> None:
    status = release_stream_status(ReleaseStreamStatus(), ObjectMistakes(), ["44.1"], None, LATER, 1)
    assert [each.type for each in status.conditions] == ["Ready"] and status.read_at is UNSET
