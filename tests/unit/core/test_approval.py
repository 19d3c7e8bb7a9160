"""What an approval covers, what it costs to change that, and when an approval counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from fleet.config import loads
from fleet.core.approval.difference import differences
from fleet.core.approval.effect import effect_of, rule_of, strictest
from fleet.core.approval.gate import ApprovalGate
from fleet.core.approval.ledger import Ledger
from fleet.core.engine.engine import Engine
from fleet.core.guards import gates
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Amount, ApprovalRule, Limits, Policy, Pool
from fleet.core.records.identity import Identity
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import Release
from fleet.core.rollout.commands import PlanApproved, PlanRejected
from fleet.core.rollout.decisions import RolloutHalted
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import RolloutState
from fleet.lab.simulation.builders import START as NOW

RULE = ApprovalRule(required=1, valid_seconds=3600)
POLICY = Policy(pools=(Pool("workers", approvals=RULE), Pool("other")))
GOALS = tuple(Goal(NodeRef("east", f"n-{number}"), f"u-{number}", "workers") for number in range(3))
BEGIN = Start("p-1", Release("2", "sha256:aa"), POLICY, GOALS)
EFFECT = effect_of(BEGIN)


def with_pool(start: Start, **keys: Any) -> Start:
    pools = (replace(start.policy.pools[0], **keys), *start.policy.pools[1:])
    return replace(start, policy=replace(start.policy, pools=pools))


def with_goal(start: Start, **keys: Any) -> Start:
    return replace(start, goals=(replace(start.goals[0], **keys), *start.goals[1:]))


CHANGES: Mapping[str, tuple[Callable[[Start], Start], str]] = {
    "version": (lambda start: replace(start, release=Release("3", "sha256:aa")), "target.version"),
    "called a dead end since": (
        lambda start: replace(start, release=Release("2", "sha256:aa", dead_end="wrong keys")),
        "target.dead_end",
    ),
    "digest": (lambda start: replace(start, release=Release("2", "sha256:bb")), "target.digest"),
    "node joined": (
        lambda start: replace(start, goals=(*start.goals, Goal(NodeRef("east", "n-9"), "u-9", "workers"))),
        "east/n-9",
    ),
    "node left": (lambda start: replace(start, goals=start.goals[1:]), "east/n-0"),
    "another machine": (lambda start: with_goal(start, uid="u-7"), "east/n-0 uid"),
    "zone": (lambda start: with_goal(start, zone="b"), "east/n-0 zone"),
    "runs another version": (lambda start: with_goal(start, from_version="1"), "east/n-0 from"),
    "canary": (lambda start: with_goal(start, canary=True), "east/n-0 canary"),
    "limit": (
        lambda start: with_pool(start, limits=Limits(Amount(9))),
        "pools.workers.limits.max_unavailable",
    ),
    "canaries": (lambda start: with_pool(start, canaries=0), "pools.workers.canaries"),
    "soak": (lambda start: with_pool(start, soak_seconds=1), "pools.workers.soak_seconds"),
    "fleet's limit": (
        lambda start: replace(start, policy=replace(start.policy, limits=Limits(Amount(5)))),
        "fleet.limits.max_unavailable",
    ),
}
"""What decides the effect: the change, and the subject of the difference."""


@pytest.mark.parametrize(("change", "subject"), CHANGES.values(), ids=CHANGES)
def test_what_decides_the_effect_costs_an_approval_and_is_named(
    change: Callable[[Start], Start], subject: str
) -> None:
    """flux-iac/tofu-controller#1129: an approval survived a change of values."""
    found = differences(EFFECT, effect_of(change(BEGIN)))
    assert [each.subject for each in found] == [subject]
    assert str(found[0]).startswith(subject)


def test_a_difference_names_both_values() -> None:
    (found,) = differences(EFFECT, effect_of(CHANGES["limit"][0](BEGIN)))
    assert (found.was, found.now) == ("1", "9")


def test_other_pools_the_order_and_the_approvals_themselves_have_no_effect() -> None:
    others = replace(POLICY, pools=(POLICY.pools[0], Pool("other", canaries=7), Pool("third")))
    assert effect_of(replace(BEGIN, policy=others)) == EFFECT
    assert effect_of(replace(BEGIN, goals=GOALS[::-1], plan="p-2", expected_seconds=9)) == EFFECT
    assert effect_of(with_pool(BEGIN, approvals=ApprovalRule(2))) == EFFECT
    assert effect_of(with_goal(BEGIN, urgency=0.5)) == EFFECT


TEXT = """\
pools:
  - name: workers
    limits: {max_unavailable: 2, per_zone: 1}
    approvals: {required: 1}
    soak: 60s
"""


def test_comments_and_the_order_of_keys_have_no_effect() -> None:
    turned = """\
# By order of the change board.
pools:
  - approvals: {required: 1}
    soak: 1m  # as long as before
    name: workers
    limits:
      per_zone: 1
      max_unavailable: 2
"""
    first, second = (replace(BEGIN, policy=loads(text)[0]) for text in (TEXT, turned))
    assert effect_of(first) == effect_of(second)


def test_every_key_of_a_pool_and_of_the_policy_is_covered_unless_it_is_named_here() -> None:
    """A new key costs approvals until somebody decides that it has no effect."""
    pool = set(msgspec.to_builtins(POLICY.pools[0]))
    assert pool - set(EFFECT["pools"]["workers"]) == {
        *("name", "selector", "clusters", "stream", "version", "approvals")
    }
    assert set(msgspec.to_builtins(POLICY)) - set(EFFECT["fleet"]) == {"pools", "streams"}


def test_integers_that_canonical_json_cannot_express_are_text() -> None:
    exact = with_pool(BEGIN, soak_seconds=2**53 - 1)
    large = with_pool(BEGIN, soak_seconds=2**53)
    assert effect_of(exact)["pools"]["workers"]["soak_seconds"] == 2**53 - 1
    assert effect_of(large)["pools"]["workers"]["soak_seconds"] == str(2**53)


def test_the_strictest_rule_asks_for_all_that_any_rule_asks_for() -> None:
    assert strictest([ApprovalRule(1, 60), ApprovalRule(2, 600, 1)]) == ApprovalRule(2, 60, 1)
    assert strictest([]) == ApprovalRule()
    assert rule_of(POLICY, ["workers", "other"]) == RULE
    assert not rule_of(POLICY, ["other"]).required


def approved(name: str = "eve", start: Start = BEGIN, effect: str = "e-1") -> PlanApproved:
    return PlanApproved(
        plan="p-1", effect=effect, covers=dict(effect_of(start)), by=Identity(name), asked_by="ada"
    )


def test_a_person_counts_once_and_the_maker_never() -> None:
    ledger = Ledger()
    for name in ("eve", "eve", "ada", "bob"):
        ledger.apply(approved(name), NOW, f"{name}@desk")
    found = ledger.in_force(EFFECT, NOW, 3600, without=("ada",))
    assert sorted(each.by.name for each in found) == ["bob", "eve"]


def test_an_approval_expires_and_stays_in_history_with_what_it_covered() -> None:
    ledger = Ledger()
    ledger.apply(approved(), NOW, "eve@desk")
    last = NOW + timedelta(seconds=3600)
    assert len(ledger.in_force(EFFECT, last - timedelta(seconds=1), 3600)) == 1
    assert not ledger.in_force(EFFECT, last, 3600)
    (kept,) = ledger.approvals
    assert (kept.state(last, 3600), kept.covers) == ("expired", EFFECT)


def test_years_of_approvals_of_a_large_fleet_fit_into_memory() -> None:
    ledger = Ledger()
    uids = Random(1)
    goals = tuple(
        Goal(NodeRef("east", f"n-{number:05}"), str(UUID(int=uids.getrandbits(128))), "workers", "fra", "a")
        for number in range(10_000)
    )
    large = replace(BEGIN, goals=goals)
    ledger.apply(approved(start=large), NOW, "eve@desk")
    (kept,) = ledger.approvals
    assert len(kept.packed) < 500_000
    assert kept.covers == effect_of(large)


def test_a_rejection_ends_the_approvals_before_it_and_not_those_after_it() -> None:
    ledger = Ledger()
    ledger.apply(approved(), NOW, "eve@desk")
    ledger.apply(approved("eve", with_goal(BEGIN, uid="u-7"), "e-2"), NOW, "eve@desk")
    ledger.apply(
        PlanRejected(plan="p-1", effect="e-1", by=Identity("bob"), reason="not this week"), NOW, "bob@desk"
    )
    assert [each.state(NOW, 3600) for each in ledger.approvals] == ["rejected", "in force"]
    assert not ledger.in_force(EFFECT, NOW, 3600)
    ledger.apply(approved("bob"), NOW, "bob@desk")
    assert [each.by.name for each in ledger.in_force(EFFECT, NOW, 3600)] == ["bob"]


def test_the_gate_asks_until_the_rollout_has_begun() -> None:
    ledger = Ledger()
    gate = ApprovalGate(ledger)
    rollout = Rollout("r-1", BEGIN, NOW, "ada@desk")
    assert gate.lacking(rollout, NOW) == "0 of 1 approvals of its plan are in force"
    ledger.apply(approved(), NOW, "eve@desk")
    assert gate.lacking(rollout, NOW) == ""
    assert gate.lacking(rollout, NOW + timedelta(seconds=3600))
    unruled = Rollout("r-2", with_pool(BEGIN, approvals=ApprovalRule()), NOW, "ada@desk")
    assert gate.lacking(unruled, NOW + timedelta(seconds=3600)) == ""


def test_the_engine_halts_an_unapproved_rollout_before_it_does_anything() -> None:
    ledger = Ledger()
    engine = Engine({"east": "fra"}, [Rollout("r-1", BEGIN, NOW, "ada@desk")], ledger=ledger)
    decision = engine.decide(NOW)
    assert [type(each) for each in decision.log] == [RolloutHalted]
    assert not decision.actions
    rollout = engine.rollouts["r-1"]
    assert rollout.state is RolloutState.HALTED
    held = gates.held(rollout)
    assert held is not None and (held.reason, held.params["plan"]) == (Reason.NOT_APPROVED, "p-1")
    engine.command(approved(), NOW, "eve@desk")
    assert engine.rollouts["r-1"].state is RolloutState.HALTED, "an operator resumes it"


def test_an_engine_that_makes_a_plan_asks_for_no_approvals() -> None:
    engine = Engine({"east": "fra"}, [Rollout("r-1", BEGIN, NOW, "ada@desk")])
    assert not any(isinstance(each, RolloutHalted) for each in engine.decide(NOW).log)
