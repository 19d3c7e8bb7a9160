"""Findings about pools, stages, streams, approvals and windows, each with its remedy; and a policy without any."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from fleet.core.approval.exceptions import PatchException
from fleet.core.linting.finding import LintFinding
from fleet.core.linting.lint import lint
from fleet.core.linting.policy_checks import (
    check_approvals,
    check_exceptions,
    check_streams,
    check_windows,
)
from fleet.core.objects.selector import Requirement, Selector
from fleet.core.planning.plan_warnings.plan_warnings import snapshot_warnings
from fleet.core.policy.access import Access, Holders, Role
from fleet.core.policy.gate import OperatorGate, PrometheusGate
from fleet.core.policy.hooks.hook import CommandHook, Hooks
from fleet.core.policy.policy import Amount, ApprovalRule, Limits, Policy, Pool
from fleet.core.policy.rollout_stage import RolloutStage
from fleet.core.policy.times.window import Window
from fleet.core.records.identity import Identity
from fleet.core.releases.release import Stream
from fleet.lab.simulation.builders import a_node, a_policy, a_pool, a_snapshot

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
NODES = [a_node("n-1"), a_node("n-2"), a_node("n-3", pool="edge")]
CHECKS = {"pool-empty", "stage-empty", "pools-overlap", "patch-within"}


def found(policy: Policy, *, whole: bool = True) -> list[tuple[str, str]]:
    result = lint(policy, [a_snapshot(NODES)], whole=whole).findings
    assert all(each.remedy for each in result)
    return [(each.check, each.subject) for each in result if each.check in CHECKS]


def messages(findings: Iterable[LintFinding]) -> list[tuple[str, str, str]]:
    return [(each.check, each.subject, each.message) for each in findings]


def test_a_policy_that_fits_its_fleet_has_no_finding() -> None:
    staged = replace(a_policy(a_pool(), a_pool("edge")), stages=(RolloutStage("first", pools=("edge",)),))
    assert found(staged) == []


def test_gates_and_hooks_that_are_meant_are_no_findings() -> None:
    query = PrometheusGate(name="errors", url="http://p:9090", query="e", below=1.0, for_seconds=600)
    hooks = Hooks((CommandHook(name="leave", command=("leave",)),))
    plain = a_policy(a_pool(), a_pool("edge"))
    gated = a_policy(a_pool(gates=(query, OperatorGate(name="go")), hooks=hooks), a_pool("edge"))
    snapshots = [a_snapshot(NODES)]
    assert {"gate-measured", "gate-operator", "hook-unmeasured"} <= {
        each.check for each in snapshot_warnings(gated, snapshots[0])
    }
    assert lint(gated, snapshots).findings == lint(plain, snapshots).findings


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        (a_pool("nobody"), "no node of any cluster matches"),
        (a_pool("west", selector=Selector(), clusters=("west",)), "there is no cluster west"),
        (a_pool("late", selector=Selector({"pool": "workers"})), "pools that come first: workers"),
    ],
)
def test_a_pool_without_a_node(pool: Pool, message: str) -> None:
    policy = a_policy(a_pool(), a_pool("edge"), pool)
    assert found(policy) == [("pool-empty", f"pool {pool.name}")]
    (finding,) = [each for each in lint(policy, [a_snapshot(NODES)]).findings if each.check == "pool-empty"]
    assert message in finding.message
    assert found(policy, whole=False) == []
    assert not [each for each in lint(policy, [a_snapshot(NODES)], ["west"]).findings if each.check in CHECKS]


@pytest.mark.parametrize(
    "stages",
    [
        (RolloutStage("lost", sites=("nowhere",)),),
        (RolloutStage("first", clusters=("east",)), RolloutStage("lost", pools=("edge",))),
    ],
)
def test_a_stage_without_a_node(stages: tuple[RolloutStage, ...]) -> None:
    policy = replace(a_policy(a_pool(), a_pool("edge")), stages=stages)
    assert found(policy) == [("stage-empty", "stage lost")]


def test_nodes_that_two_pools_match_with_different_rules() -> None:
    zone = Selector(match_expressions=(Requirement("topology.kubernetes.io/zone", "Exists"),))
    first, second = a_pool(), a_pool("zoned", selector=zone, soak_seconds=900)
    policy = a_policy(first, second)
    assert found(policy) == [("pools-overlap", "pool workers")]
    same_rules = a_policy(first, replace(second, soak_seconds=first.soak_seconds))
    assert found(same_rules) == []
    narrow_first = a_policy(first, a_pool("rest", selector=Selector(), soak_seconds=900))
    assert found(narrow_first) == []


def test_a_limit_over_all_clusters_outlasts_patch_within() -> None:
    """Neither cluster alone takes so long."""
    pool = a_pool(limits=Limits(Amount(1)), patch_within_seconds=1200)
    east = a_snapshot([a_node(f"e-{number}") for number in range(6)], cluster="east")
    west = a_snapshot([a_node(f"w-{number}") for number in range(6)], cluster="west")
    policy = a_policy(pool)
    for snapshots, wanted in (([east], []), ([west], []), ([east, west], ["patch-within"])):
        result = lint(policy, snapshots).findings
        assert [each.check for each in result if each.check in CHECKS] == wanted


def test_a_stream_without_releases_that_a_pool_follows() -> None:
    policy = Policy(pools=(a_pool(), a_pool("edge")), streams=(Stream("stable", ()), Stream("old", ())))
    (finding,) = check_streams(policy)
    assert (finding.check, finding.subject) == ("stream-empty", "stream stable")
    assert "workers, edge" in finding.message and finding.remedy
    assert list(check_streams(a_policy())) == []


def an_access(approvers: Holders) -> Access:
    roles = {Role.OPERATOR: Holders(("ada", "bob")), Role.APPROVER: approvers, Role.ADMIN: Holders(("root",))}
    return Access(roles=roles)


@pytest.mark.parametrize(
    ("approvers", "required", "lacking"),
    [
        (Holders(("eve",)), 2, "no plan of root"),
        (Holders(("eve",)), 3, "no plan of ada, bob, root"),
        (Holders(("ada", "eve")), 3, "no plan of ada, root"),
        (Holders(("eve", "kim", "joe")), 3, ""),
        (Holders(("eve",), ("board",)), 9, ""),
    ],
)
def test_more_approvals_than_users_who_may_give_them(approvers: Holders, required: int, lacking: str) -> None:
    policy = a_policy(a_pool(approvals=ApprovalRule(required=required)))
    findings = list(check_approvals(policy, an_access(approvers)))
    assert [(each.check, each.subject) for each in findings] == (
        [("approvals-required", "pool workers")] if lacking else []
    )
    assert all(lacking in each.message and each.remedy for each in findings)
    assert list(check_approvals(policy, Access())) == []


def test_a_start_in_a_freeze_has_its_own_number() -> None:
    policy = a_policy(a_pool(approvals=ApprovalRule(required=1, override=4)))
    (finding,) = check_approvals(policy, an_access(Holders(("eve",))))
    assert finding.check == "approvals-override" and "in a freeze" in finding.message
    assert list(check_approvals(a_policy(a_pool(approvals=UNSET)), an_access(Holders()))) == []


def test_windows_are_checked_without_a_cluster_too() -> None:
    short = a_pool(windows=(Window((0,), time(1), time(1, 1)),))
    assert [each.check for each in check_windows(a_policy(short), NOW, set())] == ["window-short"]
    assert list(check_windows(a_policy(short), NOW, {"workers"})) == []


def test_exceptions_that_lapse_soon_and_those_that_nobody_has_granted() -> None:
    asked = PatchException(
        "x-1", (), ("workers",), "", NOW + timedelta(days=14), "storage", "why", Identity("ada"), NOW
    )
    granted = replace(asked, id="x-2", approver=Identity("eve"), granted=NOW)
    far = replace(granted, id="x-3", until=NOW + timedelta(days=15))
    over = replace(granted, id="x-4", until=NOW)
    findings = list(check_exceptions((asked, granted, far, over), NOW))
    assert [(each.check, each.subject) for each in findings] == [
        ("exception-requested", "exception x-1"),
        ("exception-lapsing", "exception x-2"),
    ]
    assert all(each.remedy for each in findings)
