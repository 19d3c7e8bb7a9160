"""What users see of approvals and roles, at 80 columns."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace

from fleet.cli.views.access import access_text
from fleet.cli.views.plan.approvals import listing
from fleet.cli.views.plan.overview import plan_overview
from fleet.cli.views.rollout_page.rollout import RolloutScene, picture
from fleet.core.approval.ledger import Ledger
from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.policy.access import Holders, OwnAccess, Role
from fleet.core.policy.policy import ApprovalRule, Policy, Pool
from fleet.core.records.identity import Identity
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.core.reporting.approvals import approval_list
from fleet.core.reporting.timeline import Timeline
from fleet.core.rollout.commands import PlanApproved, PlanRejected
from fleet.core.rollout.goal import GivenApproval, StandingStart, StartApproval
from fleet.core.standing.past import PastRollout
from fleet.lab.simulation.builders import NEW, START, a_policy, a_pool
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.golden import GoldenFiles
from tests.unit.app.homes import small_cluster
from tests.unit.report.journal_builder import JournalBuilder, a_goal

RULE = ApprovalRule(1, 3600)
POLICY = Policy(pools=(Pool("workers", approvals=RULE),))
EVE, BOB = Identity("eve", "token", "key 1a2b, token 3c4d"), Identity("bob", "os", "desk")
PLAN, EFFECT = f"p-{'9' * 64}", f"e-{'7' * 64}"


def an_approval(by: Identity, effect: str = EFFECT, reason: str = "", override: str = "") -> PlanApproved:
    return PlanApproved(
        plan=PLAN,
        effect=effect,
        covers={"pools": {"workers": {}}},
        by=by,
        asked_by="ada",
        reason=reason,
        override=override,
    )


def a_ledger() -> Ledger:
    ledger = Ledger()
    ledger.apply(an_approval(BOB), START - timedelta(hours=2), "bob@desk")
    ledger.apply(an_approval(EVE, "e-8"), START - timedelta(minutes=30), "eve@desk")
    ledger.apply(
        PlanRejected(plan=PLAN, effect="e-8", by=BOB, reason="not this week"),
        START - timedelta(minutes=20),
        "bob@desk",
    )
    ledger.apply(
        an_approval(EVE, reason="change board", override="CVE-2026-1 is exploited"),
        START - timedelta(minutes=5),
        "eve@desk",
    )
    return ledger


def test_approvals_are_listed_newest_first_with_their_state(golden: GoldenFiles) -> None:
    found = approval_list(a_ledger(), (), POLICY, START)
    assert [each.state or each.kind for each in found.approvals] == [
        *("in force", "rejection", "rejected", "expired")
    ]
    golden.check(listing(found, START).plain)
    golden.check(listing(approval_list(Ledger(), (), POLICY, START), START).plain, "none")
    assert max(len(line) for line in listing(found, START).plain.splitlines()) <= 80


def test_the_list_of_one_effect_has_nothing_else() -> None:
    found = approval_list(a_ledger(), (), POLICY, START, "e-8")
    assert {each.effect for each in found.approvals} == {"e-8"} and len(found.approvals) == 2


def test_a_user_sees_who_they_are_and_who_has_which_role(golden: GoldenFiles) -> None:
    roles = {role: Holders((f"{role}-1", "ada"), ("sre",)) for role in Role}
    roles[Role.VIEWER] = Holders()
    found = OwnAccess(EVE, ("leads",), (Role.VIEWER, Role.APPROVER), roles)
    golden.check(access_text(found).plain)
    golden.check(access_text(OwnAccess(BOB, (), tuple(Role), None)).plain, "no-access")


def test_a_plan_that_needs_approvals_says_so_before_the_start(golden: GoldenFiles) -> None:
    request = PlanRequest(
        PLAN,
        [small_cluster()],
        a_policy(replace(a_pool(), approvals=ApprovalRule(2))),
        ["workers"],
        NEW,
        START,
        DurationEstimates(),
    )
    last = plan_overview(make_plan(request), START).plain.splitlines()[-2:]
    golden.check("\n".join(last))


def test_a_rollout_shows_who_asked_and_who_approved(golden: GoldenFiles) -> None:
    given = GivenApproval(EVE, START - timedelta(minutes=5), PLAN, "3:ab")
    journal = JournalBuilder(a_goal("n-1"), approval=StartApproval("ada", EFFECT, 1, (given,)))
    golden.check(seen(journal))


def test_a_rollout_that_has_not_begun_says_what_it_lacks_and_what_to_do(golden: GoldenFiles) -> None:
    journal = JournalBuilder(a_goal("n-1"), approval=StartApproval("ada", EFFECT, 1, ()))
    journal.decide("halt", why="0 of 1 approvals of its plan are in force")
    golden.check(seen(journal))


@pytest.mark.parametrize(("by", "done"), [("policy/workers", "started"), ("ada@desk", "planned")])
def test_a_policy_started_only_what_it_started_itself(by: str, done: str) -> None:
    """A user may start the plan of a standing policy, in spite of a freeze for example."""
    plan = make_plan(
        PlanRequest(PLAN, [small_cluster()], POLICY, ["workers"], NEW, START, DurationEstimates())
    )
    start = replace(plan.begin(), standing=StandingStart("workers", "u-1", ("no delay",)))
    entry = JournalRecord(form="command", kind="start", rollout="r-1", detail=msgspec.to_builtins(start))
    timeline = Timeline("r-1")
    timeline.apply([JournalEntry(1, START, by, 0, entry, "", "")])
    assert timeline.rollout is not None
    shown = picture(RolloutScene(timeline.rollout, START, timeline.nodes)).plain
    assert f"{done} by the standing policy of pool workers: no delay" in shown
    assert PastRollout.of(timeline.rollout).by == by


def seen(journal: JournalBuilder) -> str:
    timeline = Timeline("r-1")
    timeline.apply(journal.entries)
    assert timeline.rollout is not None and NodeRef("east", "n-1") in timeline.rollout.runs
    return picture(RolloutScene(timeline.rollout, START, timeline.nodes)).plain
