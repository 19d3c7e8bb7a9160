"""Contradictions, each alone, and a fleet without any."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from fleet.core.linting.finding import LintFinding
from fleet.core.linting.lint import lint
from fleet.core.objects.budget import Budget
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.selector import Selector
from fleet.core.policy.policy import Amount, Limits, Policy, Pool
from fleet.core.quorum.groups import EtcdAccess, GroupMembers, QuorumGroup
from fleet.core.quorum.quorum import Member, Quorum, QuorumRule
from fleet.lab.simulation.builders import a_budget, a_node, a_snapshot
from tests.golden import GoldenFiles

APP = Selector({"app": "zk"})
NODES = [a_node(f"n-{number}", zone) for number, zone in enumerate("abcabc")]


def pods(count: int, nodes: Sequence[int] = range(6), app: str = "zk") -> list[Pod]:
    owner = Owner("StatefulSet", app, f"set-{app}")
    return [
        Pod("web", f"{app}-{index}", f"{app}-{index}", NODES[nodes[index]].name, {"app": app}, owner=owner)
        for index in range(count)
    ]


def a_group(voters: int | None = None, rule: QuorumRule | None = None, cluster: str = "east") -> QuorumGroup:
    return QuorumGroup("zk", cluster, "pods", rule or QuorumRule(), members=GroupMembers("web", APP, voters))


def findings(
    own: list[Pod],
    *budgets: Budget,
    group: QuorumGroup | None = None,
    pool: Pool | None = None,
    read: Quorum | None = None,
) -> tuple[LintFinding, ...]:
    policy = Policy(
        pools=(pool or Pool("workers", limits=Limits(Amount(1))),),
        quorums=(group,) if group is not None else (),
    )
    snapshot = a_snapshot(NODES, ([], own), list(budgets), quorums=(read,) if read is not None else ())
    return lint(policy, [snapshot]).findings


def checks(found: tuple[LintFinding, ...]) -> list[str]:
    return [finding.check for finding in found]


@pytest.mark.parametrize("count", [3, 5])
def test_sound_group_has_no_finding(count: int) -> None:
    assert findings(pods(count), a_budget("zk", count, 1), group=a_group(count)) == ()


def test_budget_that_allows_more_than_the_group_can_spare(golden: GoldenFiles) -> None:
    (found,) = findings(pods(3), a_budget("zk", 3, 2), group=a_group(3))
    assert (found.cluster, found.check, found.subject) == ("east", "budget-quorum", "web/zk")
    golden.check(f"{found.message}\n{found.remedy}")


def test_margin_makes_the_group_stricter_than_its_budget(golden: GoldenFiles) -> None:
    (found,) = findings(pods(5), a_budget("zk", 5, 2), group=a_group(5, QuorumRule(margin=1)))
    assert (found.check, found.subject) == ("budget-quorum", "web/zk")
    golden.check(f"{found.message}\n{found.remedy}")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"max_unavailable": "50%"}, ["budget-quorum"]),  # of 3, rounded up: 2
        ({"max_unavailable": "34%"}, ["budget-quorum"]),
        ({"max_unavailable": "33%"}, []),
        ({"min_available": 1}, ["budget-quorum"]),
        ({"min_available": "51%"}, []),  # 2 of 3 stay
        ({"min_available": 3}, ["budget-never"]),
        ({"min_available": "100%"}, ["budget-never"]),
        ({"max_unavailable": 0}, ["budget-never"]),
        ({"max_unavailable": "0%"}, ["budget-never"]),
    ],
)
def test_budget_rules_are_rounded_as_kubernetes_does(rule: dict[str, int | str], expected: list[str]) -> None:
    budget = replace(a_budget("zk", 3, 1), max_unavailable=None)
    assert checks(findings(pods(3), replace(budget, **rule), group=a_group(3))) == expected


def test_budget_of_other_pods_does_not_contradict_the_group() -> None:
    own = pods(3) + pods(5, app="api")
    budgets = (a_budget("api", 5, 4), a_budget("zk", 3, 1))
    assert findings(own, *budgets, group=a_group(3)) == ()


@pytest.mark.parametrize(
    ("voters", "rule", "check", "advice"),
    [
        (1, QuorumRule(), "voters-few", "use 3 voters, or set downtime: allow"),
        (2, QuorumRule(), "voters-few", "use 3 voters, or set downtime: allow"),
        (4, QuorumRule(), "voters-even", "use 3 or 5 voters"),
        (6, QuorumRule(), "voters-even", "use 5 or 7 voters"),
        (3, QuorumRule(margin=1), "margin-never", "set margin: 0"),
        (5, QuorumRule(margin=2), "margin-never", "set margin: 1"),
    ],
)
def test_sizes_and_margins(voters: int, rule: QuorumRule, check: str, advice: str) -> None:
    found = [
        each for each in findings(pods(voters), group=a_group(voters, rule)) if each.check != "members-zone"
    ]
    assert [(each.check, each.remedy) for each in found] == [(check, advice)]


def test_allowed_downtime_is_no_finding() -> None:
    assert findings(pods(1), group=a_group(1, QuorumRule(downtime="allow"))) == ()


def test_fewer_pods_than_voters(golden: GoldenFiles) -> None:
    (found,) = findings(pods(2), group=a_group(3))
    assert found.check == "voters-missing"
    golden.check(f"{found.message}\n{found.remedy}")


def test_selector_without_matches() -> None:
    assert checks(findings([], group=a_group())) == ["group-empty"]


def test_unknown_cluster(golden: GoldenFiles) -> None:
    (found,) = findings([], group=a_group(3, cluster="est"))
    assert (found.cluster, found.check) == ("", "group-cluster")
    golden.check(f"{found.message}\n{found.remedy}")


def test_members_on_one_node(golden: GoldenFiles) -> None:
    (found,) = findings(pods(3, (0, 0, 1)), group=a_group(3))[:1]
    assert found.check == "members-node"
    golden.check(f"{found.message}\n{found.remedy}")


def test_members_in_one_zone(golden: GoldenFiles) -> None:
    (found,) = findings(pods(3, (0, 3, 1)), group=a_group(3))
    assert found.check == "members-zone"
    golden.check(f"{found.message}\n{found.remedy}")


def test_etcd_is_known_by_its_static_pods_or_as_it_was_read() -> None:
    own = [
        Pod("kube-system", f"etcd-n-{number}", str(number), f"n-{number}", {"component": "etcd"}, mirror=True)
        for number in range(4)
    ]
    assert checks(findings(own, group=QuorumGroup("zk", "east"))) == ["members-zone", "voters-even"]
    outside = QuorumGroup("zk", "east", access=EtcdAccess(("https://10.0.0.1:2379",)))
    assert checks(findings(own, group=outside)) == ["group-empty"]
    members = tuple(Member(f"m-{number}", NodeRef("east", f"n-{number}")) for number in range(3))
    learner = Member("m-3", NodeRef("east", "n-3"), voter=False)
    assert findings(own, group=outside, read=Quorum("zk", members=(*members, learner))) == ()
    # Also one that no policy names.
    assert checks(findings([], read=Quorum("other", members=members[:2]))) == ["voters-few"]


def test_two_budgets_on_one_pod(golden: GoldenFiles) -> None:
    other = a_budget("zk-too", 3, 1, app="zk")
    (found,) = findings(pods(3), a_budget("zk", 3, 1), other)
    assert (found.check, found.subject) == ("budgets-several", "web/zk")
    golden.check(f"{found.message}\n{found.remedy}")


def test_pods_that_are_not_drained_need_no_permissive_budget() -> None:
    daemon = [replace(pod, owner=Owner("DaemonSet", "zk", "d")) for pod in pods(3)]
    assert findings(daemon, a_budget("zk", 3, 0)) == ()


def test_limit_that_the_group_never_allows_a_pool_to_reach(golden: GoldenFiles) -> None:
    whole = Pool("control", limits=Limits(Amount(50, True)))
    (found,) = findings(pods(5), group=a_group(5), pool=whole)
    assert (found.check, found.subject, found.remedy) == (
        "limit-quorum",
        "pool control",
        "set limits.per_cluster: 2",
    )
    # The pool may be in several clusters: what counts is how many may go in this one.
    each = Limits(Amount(50, True), per_cluster=Amount(1))
    assert findings(pods(5), group=a_group(5), pool=Pool("control", limits=each)) == ()
    loose = Limits(Amount(6), per_cluster=Amount(4))
    (found,) = findings(pods(5), group=a_group(5), pool=Pool("control", limits=loose))
    golden.check(f"{found.message}\n{found.remedy}")
    assert findings(pods(5), group=a_group(5), pool=Pool("control", limits=Limits(Amount(2)))) == ()
    assert findings(pods(3), group=a_group(3), pool=Pool("control", limits=Limits(Amount(4)))) == ()


def test_cluster_that_was_never_read_is_part_of_the_fleet() -> None:
    policy = Policy(quorums=(a_group(3, cluster="west"),))
    found = lint(policy, [a_snapshot(NODES)], ["west"])
    assert (found.findings, found.checked, found.unread) == ((), ("east",), ("west",))
