"""Pods of one owner that are not alike: which labels may move, and what is planned around them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.budget import Budget
from fleet.core.objects.node import NodeRef
from fleet.core.objects.placement import HOSTNAME_LABEL, SpreadRule
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.selector import Requirement, Selector
from fleet.core.objects.workload import Workload
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.steps import Step
from fleet.core.third_parties.roles import Roles
from fleet.lab.simulation.builders import NEW, START, a_node, a_policy, a_pool, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.simulated_rollout import SimulatedRollout
from tests.unit.model.builder import ActionSender, Builder

NODES = [a_node(f"n-{number}") for number in (1, 2, 3)]
CLUSTER = Owner("Cluster", "pg", "uid-pg")
PATRONI = Owner("StatefulSet", "pg", "uid-pg")
POLICY = a_policy(a_pool())


def a_pod(number: int, role: str | None, owner: Owner | None = CLUSTER, **fields: object) -> Pod:
    labels = {"app": "pg"} | ({"role": role} if role else {})
    reported: dict[str, object] = {"node": f"n-{number}", "labels": labels, "owner": owner}
    return Pod("db", f"pg-{number}", f"pod-{number}", **(reported | fields))  # type: ignore[arg-type]


def a_budget(name: str, selector: Selector, pods: int, least: int = 1) -> Budget:
    return Budget(
        "db",
        name,
        f"pdb-{name}",
        selector,
        min_available=least,
        disruptions_allowed=pods - least,
        current_healthy=pods,
        desired_healthy=least,
        expected_pods=pods,
    )


PRIMARY = a_budget("primary", Selector({"app": "pg", "role": "primary"}), 1)
REPLICAS = a_budget("replicas", Selector({"app": "pg", "role": "replica"}), 2)


def a_database(owner: Owner, *budgets: Budget) -> Snapshot:
    pods = [a_pod(1, "primary", owner), a_pod(2, "replica", owner), a_pod(3, "replica", owner)]
    return a_snapshot(NODES, ([], pods), list(budgets))


def the_plan(snapshot: Snapshot) -> Plan:
    return make_plan(PlanRequest("p-1", [snapshot], POLICY, ["workers"], NEW, START, DurationEstimates()))


def test_label_that_differs_among_the_pods_of_one_owner_may_move() -> None:
    roles = Roles()
    pods = [a_pod(1, "primary"), a_pod(2, "replica")]
    for pod in pods:
        roles.upsert(pod)
    assert all(roles.of(pod) == {"role"} for pod in pods)
    assert roles.selecting(PRIMARY, pods[0]) == "role"
    assert roles.selecting(a_budget("all", Selector({"app": "pg"}), 2), pods[0]) == ""


def test_label_that_only_one_pod_has_may_move_too() -> None:
    roles = Roles()
    leader = a_pod(1, "leader", Owner("ReplicaSet", "web-1", "rs"))
    other = a_pod(2, None, Owner("ReplicaSet", "web-1", "rs"))
    for pod in (other, leader):
        roles.upsert(pod)
    led = a_budget("led", Selector(match_expressions=(Requirement("role", "Exists"),)), 1)
    assert roles.selecting(led, leader) == "role"


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("statefulset.kubernetes.io/pod-name", ("pg-1", "pg-2")),
        ("apps.kubernetes.io/pod-index", ("1", "2")),
        ("strimzi.io/pod-name", ("pg-1", "pg-2")),
        ("cnpg.io/instance-number", ("1", "2")),
        ("controller-revision-hash", ("pg-5d4f", "pg-7c9b")),
    ],
)
def test_label_of_a_pods_name_or_revision_does_not_move(key: str, values: tuple[str, str]) -> None:
    roles = Roles()
    pods = [a_pod(number, None, labels={"app": "pg", key: value}) for number, value in enumerate(values, 1)]
    for pod in pods:
        roles.upsert(pod)
    assert [roles.of(pod) for pod in pods] == [frozenset(), frozenset()]


def test_pods_of_different_owners_may_differ() -> None:
    roles = Roles()
    pods = [
        a_pod(1, "broker", Owner("StatefulSet", "a", "a")),
        a_pod(2, "controller", Owner("StatefulSet", "b", "b")),
    ]
    for pod in pods:
        roles.upsert(pod)
    assert [roles.of(pod) for pod in pods] == [frozenset(), frozenset()]


def test_label_that_an_operator_moves_may_move_where_each_pod_has_its_own_owner() -> None:
    label = "postgres-operator.crunchydata.com/role"
    pod = a_pod(1, None, Owner("StatefulSet", "hippo-1", "h"), labels={label: "master"})
    assert Roles().selecting(a_budget("master", Selector({label: "master"}), 1), pod) == label


@pytest.mark.parametrize("owner", [CLUSTER, PATRONI])
def test_replicas_go_and_the_primary_is_held_until_another_pod_is_primary(owner: Owner) -> None:
    plan = the_plan(a_database(owner, PRIMARY, REPLICAS))
    assert sorted(run.node for run in plan.runs) == ["n-2", "n-3"]
    [hold] = plan.held
    assert (hold.node, hold.reason) == ("n-1", Reason.ROLE)
    assert hold.held is not None and hold.held.params["label"] == "role=primary"
    [moves] = [each for each in plan.warnings if each.check == "role-moves"]
    assert moves.subject == "db/pg" and "db/primary" in moves.message


def test_pods_of_a_custom_resource_are_attributed_to_its_operator() -> None:
    for owner, reported in ((CLUSTER, ["Cluster"]), (PATRONI, [])):
        plan = the_plan(a_database(owner))
        assert [each.subject for each in plan.warnings if each.check == "operator"] == reported


def test_primary_whose_budget_lets_it_go_is_not_held_and_its_move_is_reported() -> None:
    plan = the_plan(
        a_database(CLUSTER, replace(PRIMARY, min_available=0, desired_healthy=0, disruptions_allowed=1))
    )
    assert len(plan.runs) == 3 and not plan.held
    assert "role-moves" in [each.check for each in plan.warnings]


@pytest.mark.parametrize("rule", [{"max_unavailable": 1}, {"min_available": "50%"}])
def test_rule_that_counts_the_whole_workload_and_selects_a_part_never_opens(
    rule: dict[str, object],
) -> None:
    """Found by a history: the budget wants two of the three pods of the workload, and selects one."""
    workload = Workload("StatefulSet", "db", "pg", "uid-pg", 3, 3)
    fields = {"min_available": None, "expected_pods": 3, "desired_healthy": 2, "current_healthy": 1, **rule}
    snapshot = replace(a_database(PATRONI, replace(PRIMARY, **fields)), workloads=(workload,))
    [hold] = the_plan(snapshot).held
    assert (hold.node, hold.reason) == ("n-1", Reason.ROLE)
    assert "minAvailable" in hold.remedy


def test_node_goes_once_the_operator_has_promoted_another_pod() -> None:
    database = a_database(CLUSTER, PRIMARY, REPLICAS)
    apart = (SpreadRule(HOSTNAME_LABEL, (Requirement("app", "In", ("pg",)),), ("db",)),)
    spread = replace(database, pods=tuple(replace(pod, apart=apart) for pod in database.pods))
    story = SimulatedRollout([spread], POLICY)
    story.start()
    story.run(seconds=1800)
    ref = NodeRef("east", "n-1")
    assert story.steps() == {"n-1": Step.STAGED, "n-2": Step.DONE, "n-3": Step.DONE}
    assert held_by(story, ref) == [Reason.ROLE]
    model = story.models["east"]
    pods = {pod.labels["role"]: pod for pod in model.snapshot(story.now).pods}
    old, new = pods["primary"], pods["replica"]
    model.stranger.relabel(old.ref, "role", "replica")
    model.stranger.relabel(new.ref, "role", "primary")
    story.run()
    assert set(story.steps().values()) == {Step.DONE}


def held_by(story: SimulatedRollout, ref: NodeRef) -> list[Reason]:
    return [held.reason for held in story.engine.why(ref, story.now)]


@pytest.mark.parametrize("kind", ["StatefulSet", "Cluster"])
def test_replacement_has_the_labels_of_the_pod_that_it_replaces(kind: str) -> None:
    builder = Builder(3).workload("db", 3, kind)
    builder.pods = [
        replace(pod, labels={**pod.labels, "role": role}, node_selector={"disk": role})
        for pod, role in zip(builder.pods, ("primary", "replica", "replica"), strict=True)
    ]
    builder.nodes = [
        replace(node, labels={**node.labels, "disk": disk})
        for node, disk in zip(builder.nodes, ("replica", "primary", "primary"), strict=True)
    ]
    sender = ActionSender(builder.model())
    sender.evict("db-1")
    sender.pass_time(20)
    roles = sorted(pod.labels["role"] for pod in sender.pods("db"))
    assert roles == ["primary", "replica", "replica"]
    assert [pod.node for pod in sender.pods("db") if pod.uid.startswith("uid-") is False] == ["n-1"]


def test_replacement_of_a_replica_set_lacks_labels_set_on_a_single_pod() -> None:
    builder = Builder(3).workload("web", 3)
    first, *rest = builder.pods
    builder.pods = [replace(first, labels={**first.labels, "leader": "true"}), *rest]
    sender = ActionSender(builder.model())
    sender.evict("web-rs-0")
    sender.pass_time(20)
    assert not any("leader" in pod.labels for pod in sender.pods("web"))
