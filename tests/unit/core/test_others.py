"""Other parties that delete, drain or reboot nodes: what they say is heeded, and they are kept off a node in work."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from fleet.core.linting.lint import lint
from fleet.core.objects.budget import Budget
from fleet.core.objects.node import KEEP_OFF_ANNOTATION, Node, NodeRef, Taint
from fleet.core.objects.pod import Owner, Pod, PodRef
from fleet.core.objects.workload import NodeLock, Workload
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.quorum.quorum import Quorum
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Evict, Outcome, Reboot, Result
from fleet.core.rollout.steps import RolloutState, Step
from fleet.core.third_parties import keep_off
from fleet.core.third_parties.maintenance import Maintenance
from fleet.core.third_parties.notice import of_node
from fleet.core.third_parties.parties import PARTIES
from fleet.core.third_parties.party import Does, Party, Sign
from fleet.core.third_parties.sign_index import BY_NAME, KEEP_OFF, SIGNS
from fleet.lab.simulation.builders import (
    NEW,
    START,
    a_budget,
    a_deployment,
    a_group,
    a_node,
    a_policy,
    a_pool,
    a_snapshot,
)
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.simulated_rollout import SimulatedRollout

DOCS = (Path(__file__).parents[3] / "docs" / "workloads.md").read_text(encoding="utf-8")
REBOOTS = Taint("karpenter.sh/rebooting", "NoSchedule")
DELETED = Taint("ToBeDeletedByClusterAutoscaler", "NoSchedule", "1793610000")
EVERY = [(party, sign) for party in PARTIES for sign in party.signs]


def marked(sign: Sign, name: str = "n-1") -> Node:
    """A Ready node that is open for pods and carries that mark."""
    value = next(iter(sorted(sign.only)), "x")
    node = a_node(name)
    match sign.place:
        case "taint":
            return a_node(name, taints=(Taint(sign.key, "NoSchedule", value),))
        case "annotation":
            return a_node(name, annotations={sign.key: value})
        case _:
            return a_node(name, labels=node.labels | {sign.key: value})


def held(story: SimulatedRollout, name: str) -> list[Held]:
    return list(story.engine.why(NodeRef("east", name), story.now))


def started(*nodes: Node) -> SimulatedRollout:
    story = SimulatedRollout([a_snapshot(list(nodes))], a_policy())
    story.start()
    return story


@pytest.mark.parametrize(("party", "sign"), EVERY, ids=[f"{sign.key}" for _, sign in EVERY])
def test_each_mark_holds_its_node_without_a_cordon_until_it_is_removed(party: Party, sign: Sign) -> None:
    story = started(a_node("n-0"), marked(sign))
    story.run(seconds=7200)
    if sign.does is Does.MAY_DELETE:
        assert story.steps() == {"n-0": Step.DONE, "n-1": Step.DONE}
        return
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.PENDING}
    (found,) = held(story, "n-1")
    assert found.reason is (Reason.OTHERS_STAY if sign.stays else Reason.OTHERS)
    assert found.needs_action is sign.stays and found.passed_over
    assert (found.params["party"], found.params["does"]) == (party.name, sign.does)
    assert found.params["mark"] == f"{sign.place} {sign.key}"
    assert found.remedy and "{" not in found.remedy + found.message and "?" not in found.message
    model = story.models["east"]
    if sign.place == "taint":
        model.stranger.taint("n-1")
    elif sign.place == "annotation":
        model.stranger.annotate("n-1", sign.key, None)
    else:
        model.stranger.label("n-1", sign.key, "")
    story.run()
    assert story.steps()["n-1"] is Step.DONE


@pytest.mark.parametrize(
    ("annotations", "reasons"),
    [
        ({"weave.works/kured-reboot-in-progress": "false"}, []),
        ({"weave.works/kured-most-recent-reboot-needed": "2026-11-02T08:00:00Z"}, []),
        ({"flatcar-linux-update.v1.flatcar-linux.net/reboot-needed": "true"}, []),
        ({"flatcar-linux-update.v1.flatcar-linux.net/reboot-ok": "false"}, []),
        ({"machineconfiguration.openshift.io/state": "Done"}, []),
        (
            {
                "machineconfiguration.openshift.io/state": "Done",
                "machineconfiguration.openshift.io/desiredConfig": "rendered-a",
                "machineconfiguration.openshift.io/currentConfig": "rendered-a",
            },
            [],
        ),
        (
            {
                "machineconfiguration.openshift.io/state": "Done",
                "machineconfiguration.openshift.io/desiredConfig": "rendered-b",
                "machineconfiguration.openshift.io/currentConfig": "rendered-a",
            },
            [Reason.OTHERS],
        ),
        ({"machineconfiguration.openshift.io/state": "Degraded"}, [Reason.OTHERS_STAY]),
        ({"karpenter.sh/do-not-disrupt": "true"}, []),
        ({"cluster-autoscaler.kubernetes.io/scale-down-disabled": "true"}, []),
    ],
)
def test_mark_counts_by_its_value(annotations: dict[str, str], reasons: list[Reason]) -> None:
    story = started(a_node("n-0", annotations=annotations), a_node("n-1"))
    assert [each.reason for each in held(story, "n-0") if each.reason.startswith("others")] == reasons


@pytest.mark.parametrize(
    ("value", "since"),
    [
        ("1793610000", "2026-11-02T09:00:00+00:00"),
        ("2026-11-02T06:00:00+01:00", "2026-11-02T05:00:00+00:00"),
        ("2026-11-02T05:00:00", None),
        ("true", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("99999999999999999999", None),
        ("١٧٩٣٦١٠٠٠٠", None),
        ("", None),
    ],
)
def test_start_is_reported_where_the_value_is_a_time(value: str, since: str | None) -> None:
    (notice,) = of_node(a_node("n-0", taints=(Taint(DELETED.key, "NoSchedule", value),)))
    assert (notice.since.isoformat() if notice.since else None) == since
    assert ("since" in notice.summary) is (since is not None)


def test_long_value_is_shown_in_part() -> None:
    work = Maintenance(
        "nodemaintenances.nodemaintenance.medik8s.io", "", "nm", "u", "n-1", ("x" * 5000,), "Running"
    )
    story = SimulatedRollout([a_snapshot([a_node("n-1")])], a_policy())
    story.models["east"].stranger.put_maintenance(work)
    story.start()
    story.run(seconds=60)
    (found,) = held(story, "n-1")
    assert len(found.message) < 400


@pytest.mark.parametrize(
    ("kind", "namespace", "phase", "reason"),
    [
        ("nodemaintenances.maintenance.nvidia.com", "default", "", Reason.OTHERS),
        ("nodemaintenances.maintenance.nvidia.com", "default", "Pending", Reason.OTHERS),
        ("nodemaintenances.maintenance.nvidia.com", "default", "Draining", Reason.OTHERS),
        ("nodemaintenances.maintenance.nvidia.com", "default", "RequestorFailed", Reason.OTHERS_STAY),
        ("nodemaintenances.nodemaintenance.medik8s.io", "", "Running", Reason.OTHERS_STAY),
        ("nodemaintenances.nodemaintenance.medik8s.io", "", "Succeeded", Reason.OTHERS_STAY),
        ("machineconfignodes.machineconfiguration.openshift.io", "", "Drained", Reason.OTHERS),
        ("machineconfignodes.machineconfiguration.openshift.io", "", "Updated", None),
        ("strangers.example.com", "", "Running", None),
    ],
)
def test_maintenance_object_holds_its_node_until_it_is_deleted(
    kind: str, namespace: str, phase: str, reason: Reason | None
) -> None:
    work = Maintenance(kind, namespace, "nm-1", "uid-nm", "n-1", ("nic.operator", "gpu.operator"), phase)
    story = SimulatedRollout([a_snapshot([a_node("n-0"), a_node("n-1")])], a_policy())
    story.models["east"].stranger.put_maintenance(work)
    story.start()
    story.run(seconds=3600)
    if reason is None:
        assert story.steps() == {"n-0": Step.DONE, "n-1": Step.DONE}
        return
    (found,) = held(story, "n-1")
    assert found.reason is reason and "nm-1" in str(found.params["mark"])
    assert "nic.operator, gpu.operator" in found.message
    if reason is Reason.OTHERS_STAY:
        where = f" -n {namespace}" if namespace else ""
        assert f"kubectl delete {kind} nm-1{where}" in found.remedy
    story.models["east"].stranger.delete_maintenance(work)
    story.run()
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.DONE}


def test_kureds_lock_holds_its_node_until_it_is_released_or_has_expired() -> None:
    lock = NodeLock("n-1", START, START + timedelta(hours=2))
    daemon_set = Workload("DaemonSet", "kube-system", "reboots", "uid-ds", locks=(lock, NodeLock("n-2")))
    nodes = [a_node(f"n-{number}") for number in range(3)]
    story = SimulatedRollout([a_snapshot(nodes, ([daemon_set], []))], a_policy())
    story.start()
    story.run(seconds=3600)
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.PENDING, "n-2": Step.PENDING}
    assert [each.params["mark"] for each in held(story, "n-1")] == ["lock on DaemonSet kube-system/reboots"]
    story.run(until=lambda: story.steps()["n-1"] is Step.DONE)
    assert story.now > START + timedelta(hours=2) and story.steps()["n-2"] is Step.PENDING
    story.models["east"].stranger.put_workload(
        Workload("DaemonSet", "kube-system", "reboots", "uid-ds", locks=())
    )
    story.run()
    assert story.steps()["n-2"] is Step.DONE


def test_plan_of_the_system_upgrade_controller_holds_the_node_of_its_pod() -> None:
    pod = Pod(
        "cattle-system",
        "apply-os-on-n-1",
        "uid-pod",
        node="n-1",
        labels={"upgrade.cattle.io/controller": "system-upgrade-controller"},
        owner=Owner("Job", "apply-os-on-n-1", "uid-job"),
    )
    story = SimulatedRollout([a_snapshot([a_node("n-0"), a_node("n-1")], ([], [pod]))], a_policy())
    story.start()
    story.run(seconds=3600)
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.PENDING}
    assert [each.params["party"] for each in held(story, "n-1")] == ["system-upgrade-controller"]
    story.models["east"].stranger.finish_pod(PodRef("cattle-system", "apply-os-on-n-1"))
    story.run()
    assert story.steps()["n-1"] is Step.DONE


def test_reasons_that_need_an_operator_come_first() -> None:
    node = a_node("n-0", taints=(DELETED, Taint("node.kubernetes.io/out-of-service", "NoExecute")))
    story = started(node)
    story.run(seconds=60)
    (found,) = held(story, "n-0")
    assert found.reason is Reason.OTHERS_STAY and DELETED.key in found.message


def test_node_that_is_or_may_be_deleted_is_no_canary() -> None:
    soft = Taint("DeletionCandidateOfClusterAutoscaler", "PreferNoSchedule", "1793610000")
    nodes = [a_node("n-0", taints=(DELETED,)), a_node("n-1", taints=(soft,)), a_node("n-2")]
    policy = a_policy(a_pool(canaries=1))
    plan = make_plan(
        PlanRequest("p-1", [a_snapshot(nodes)], policy, ["workers"], NEW, START, DurationEstimates())
    )
    assert [run.node for run in plan.runs if run.canary] == ["n-2"]
    assert [(each.node, each.reason) for each in plan.held] == [("n-0", "others")]
    # Where all of them may be deleted, one of them goes first all the same.
    nodes = [a_node("n-0", taints=(soft,)), a_node("n-1", taints=(soft,))]
    plan = make_plan(
        PlanRequest("p-1", [a_snapshot(nodes)], policy, ["workers"], NEW, START, DurationEstimates())
    )
    assert sum(run.canary for run in plan.runs) == 1 and not plan.held


def test_voter_does_not_wait_for_one_that_another_party_deletes() -> None:
    nodes = [a_node(f"n-{number}") for number in range(3)]
    nodes[1] = a_node("n-1", taints=(DELETED,))
    group: Quorum = a_group(nodes, leader=2)
    story = SimulatedRollout([a_snapshot(nodes, quorums=(group,))], a_policy())
    story.start()
    story.run(seconds=7200)
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.PENDING, "n-2": Step.DONE}


def drained_while(mark: Taint) -> SimulatedRollout:
    """n-0 with a pod gets the mark when its cordon is asked for."""
    nodes = [a_node("n-0"), a_node("n-1")]
    story = SimulatedRollout([a_snapshot(nodes, a_deployment("shop", 1, nodes[:1]))], a_policy())
    story.start()
    story.run(until=lambda: story.steps()["n-0"] is Step.CORDON)
    story.models["east"].stranger.taint("n-0", *_taints(story, "n-0"), mark)
    return story


def test_party_that_works_on_a_draining_node_stops_evictions_until_it_is_done() -> None:
    story = drained_while(REBOOTS)
    story.run(seconds=300)
    assert story.steps()["n-0"] in (Step.CORDON, Step.DRAIN)
    assert not [action for _, action, _ in story.performed if isinstance(action, Evict)]
    assert [each.reason for each in held(story, "n-0")] == [Reason.OTHERS]
    taints = [each for each in _taints(story, "n-0") if each != REBOOTS]
    story.models["east"].stranger.taint("n-0", *taints)
    story.run()
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.DONE}


@pytest.mark.parametrize("removed", [False, True])
def test_draining_node_that_is_to_be_deleted_is_given_back_without_a_failure(
    removed: bool,
) -> None:
    story = drained_while(DELETED)
    if removed:
        story.run(seconds=5)
        story.models["east"].stranger.delete_node("n-0")
    story.run()
    assert story.steps() == {"n-0": Step.CANCELLED, "n-1": Step.DONE}
    assert story.rollout.state is RolloutState.FINISHED and not story.rollout.failures
    assert not [action for _, action, _ in story.performed if isinstance(action, Evict)]
    assert DELETED.key in story.run_of("n-0").why
    for node in story.models["east"].snapshot(START).nodes:
        assert not node.unschedulable and not node.annotations
        assert node.taints == ((DELETED,) if node.name == "n-0" else ())


def test_mark_right_before_the_reboot_stops_it() -> None:
    story = started(a_node("n-0"))
    model = story.models["east"]

    def perform(action: object, at: float) -> object:
        if isinstance(action, Reboot):
            model.stranger.annotate("n-0", "weave.works/kured-reboot-in-progress", "2026-11-02T09:05:00Z")
            return Outcome(action, Result.FAILED, "the server is busy")
        return model.perform(action, at)  # type: ignore[arg-type]

    story.perform = perform  # type: ignore[assignment]
    story.run(seconds=600)
    assert len([action for _, action, _ in story.performed if isinstance(action, Reboot)]) == 1
    assert story.steps()["n-0"] is Step.DRAIN
    assert [each.params["party"] for each in held(story, "n-0")] == ["kured"]


def test_party_that_works_longer_than_a_drain_may_take_gets_the_node_back() -> None:
    story = drained_while(REBOOTS)
    story.run()
    run = story.run_of("n-0")
    assert run.step is Step.CANCELLED and REBOOTS.key in run.why
    node = next(each for each in story.models["east"].snapshot(START).nodes if each.name == "n-0")
    assert not node.unschedulable and not node.annotations and node.taints == (REBOOTS,)
    assert not story.rollout.failures


def _taints(story: SimulatedRollout, name: str) -> tuple[Taint, ...]:
    nodes = story.models["east"].snapshot(START).nodes
    return next(node.taints for node in nodes if node.name == name)


def test_node_in_work_has_marks_against_other_parties_and_is_restored() -> None:
    foreign = {KEEP_OFF[0]: "true"}
    story = started(a_node("n-0"), a_node("n-1", annotations=foreign), a_node("n-2"))
    seen: dict[str, dict[str, str]] = {}

    def look() -> bool:
        for node in story.models["east"].snapshot(START).nodes:
            if node.cordoned_by:
                assert all(node.annotations.get(key) == "true" for key in KEEP_OFF), node.annotations
                seen[node.name] = node.annotations
        return False

    story.run(until=look)
    assert seen.keys() == {"n-0", "n-1", "n-2"}
    assert KEEP_OFF[0] not in seen["n-1"][KEEP_OFF_ANNOTATION].split(" ")
    after = {node.name: node.annotations for node in story.models["east"].snapshot(START).nodes}
    assert after == {"n-0": {}, "n-1": foreign, "n-2": {}}


def test_marks_against_other_parties_are_removed_after_a_kill() -> None:
    story = started(a_node("n-0"), a_node("n-1"))
    for step in (Step.DRAIN, Step.REBOOT, Step.SOAK):
        story.run(until=lambda step=step: step in story.steps().values())  # type: ignore[misc]
        story.kill()
    story.run()
    assert set(story.steps().values()) == {Step.DONE}
    assert all(not node.annotations for node in story.models["east"].snapshot(START).nodes)


ALL = dict.fromkeys(KEEP_OFF, "true")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        ({KEEP_OFF[0]: "true"}, {KEEP_OFF[0]: "true"}),
        ({KEEP_OFF[1]: "false"}, {KEEP_OFF[1]: "false"}),
        (ALL, ALL),
        ({"team": "shop"}, {"team": "shop"}),
    ],
)
def test_exactly_the_added_marks_are_removed(before: dict[str, str], after: dict[str, str]) -> None:
    during = before | keep_off.additions(before, "r-1")
    assert keep_off.additions(during, "r-1") == {}
    # A cordon after a person's uncordon takes nothing of a stranger's for its own.
    again = during | keep_off.additions(during, "r-2")
    for carried, rollout in ((during, "r-1"), (again, "r-2"), (during, "")):
        gone = keep_off.removals(carried, rollout)
        assert {key: value for key, value in carried.items() if key not in gone} == after
    if during != before:
        assert keep_off.removals(during, "r-2") == ()


def test_changed_values_and_foreign_marks_stay() -> None:
    during = keep_off.additions({}, "r-1") | {KEEP_OFF[1]: "24h", "team": "shop"}
    during[KEEP_OFF_ANNOTATION] += " team"
    gone = keep_off.removals(during, "r-1")
    assert KEEP_OFF[1] not in gone and "team" not in gone and KEEP_OFF[0] in gone


def test_terminating_node_kept_by_a_finalizer_is_left_alone() -> None:
    story = started(a_node("n-0"), a_node("n-1", deleting=True))
    story.run(seconds=7200)
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.PENDING}
    (found,) = held(story, "n-1")
    assert found.reason is Reason.OTHERS and not found.needs_action
    assert found.params["mark"] == "metadata.deletionTimestamp" and "finalizers" in found.remedy
    (finding,) = lint(a_policy(), [a_snapshot([a_node("n-0"), a_node("n-1", deleting=True)])]).findings
    assert finding.check == "others-node" and "n-1" in finding.message


def test_node_deleted_during_its_drain_is_given_back_though_a_finalizer_keeps_it() -> None:
    nodes = [a_node("n-0"), a_node("n-1")]
    story = SimulatedRollout([a_snapshot(nodes, a_deployment("shop", 1, nodes[:1]))], a_policy())
    story.start()
    story.run(until=lambda: story.steps()["n-0"] is Step.CORDON)
    story.models["east"].stranger.delete_node_kept("n-0")
    story.run()
    assert story.steps() == {"n-0": Step.CANCELLED, "n-1": Step.DONE}
    rebooted = {action.node.name for _, action, _ in story.performed if isinstance(action, Reboot)}
    assert rebooted == {"n-1"}
    assert "deletionTimestamp" in story.run_of("n-0").why and not story.rollout.failures


@pytest.mark.parametrize("mark", [DELETED, REBOOTS])
def test_cordon_of_a_party_that_will_finish_needs_no_operator(mark: Taint) -> None:
    """kured, the Machine Config Operator and autoscalers cordon a node before they drain it."""
    story = started(a_node("n-0", taints=(mark,), unschedulable=True))
    story.run(seconds=600)
    (found,) = held(story, "n-0")
    assert found.reason is Reason.OTHERS and not found.needs_action
    assert mark.key in found.message and "cordoned" in found.message and "uncordon" not in found.remedy
    checks = [each.check for each in lint(a_policy(), [story.models["east"].snapshot(story.now)]).findings]
    assert checks == ["others-node"]
    # What the party leaves behind is somebody's to undo.
    story.models["east"].stranger.taint("n-0")
    story.run(seconds=600)
    assert [each.reason for each in held(story, "n-0")] == [Reason.FOREIGN_CORDON]


@pytest.mark.parametrize("budgets", [[], [a_budget("shop", 1, 1)]])
def test_pods_whose_only_other_node_is_in_work_are_not_pinned(budgets: list[Budget]) -> None:
    """Evicted now they would wait, Pending, for their own node: the other one will take them soon."""
    nodes = [a_node("n-0"), a_node("n-1", taints=(REBOOTS,))]
    story = SimulatedRollout([a_snapshot(nodes, a_deployment("shop", 1, nodes[:1]), budgets)], a_policy())
    story.start()
    story.run(seconds=7200)
    assert story.steps()["n-0"] is Step.STAGED
    assert [each.reason for each in held(story, "n-0")] == [Reason.CAPACITY]
    story.models["east"].stranger.taint("n-1")
    story.run()
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.DONE}
    # A node that will be gone takes nobody.
    nodes[1] = a_node("n-1", taints=(DELETED,))
    plan = make_plan(
        PlanRequest(
            "p",
            [a_snapshot(nodes, a_deployment("shop", 1, nodes[:1]))],
            a_policy(),
            ["workers"],
            NEW,
            START,
            DurationEstimates(),
        )
    )
    assert {each.node: each.reason for each in plan.held} == {"n-0": "pinned", "n-1": "others"}


def test_lint_names_the_nodes_and_the_remedy() -> None:
    soft = Taint("DeletionCandidateOfClusterAutoscaler", "PreferNoSchedule")
    nodes = [
        a_node("n-0", taints=(DELETED,)),
        a_node("n-1", taints=(DELETED,)),
        a_node("n-2", taints=(soft,)),
    ]
    findings = lint(a_policy(), [a_snapshot(nodes)]).findings
    reported = {each.check: (each.subject, each.message) for each in findings}
    assert {subject for subject, _ in reported.values()} == {"cluster-autoscaler"}
    assert "n-0" in reported["others-node"][1] and "n-1" in reported["others-node"][1]
    assert "n-2" in reported["may-be-deleted"][1] and "n-0" not in reported["may-be-deleted"][1]
    assert reported.keys() == {"others-node", "may-be-deleted"}


def test_plan_shows_the_deletion_by_another_party_before_a_shortage() -> None:
    nodes = [a_node(f"n-{number}", taints=(DELETED,)) for number in range(3)]
    plan = make_plan(
        PlanRequest(
            "p",
            [a_snapshot(nodes, a_deployment("api", 3, nodes))],
            a_policy(),
            ["workers"],
            NEW,
            START,
            DurationEstimates(),
        )
    )
    assert [each.reason for each in plan.held] == ["others"] * 3
    assert all([held.reason for held in each.others] == [Reason.CAPACITY] for each in plan.held)


def test_docs_have_every_party_and_every_mark() -> None:
    start = DOCS.index("## Others who work on the same node")
    section = DOCS[start : DOCS.index("\n## ", start + 3)]
    for party in PARTIES:
        assert f"| {party.name} |" in section, party.name
        for sign in party.signs:
            assert f"`{sign.key}`" in section, sign.key
        for kind in party.objects:
            assert f"`{kind.resource}`" in section, kind.resource
        if party.keep_off:
            assert f"`{party.keep_off}`" in section, party.keep_off


def test_table_of_marks_is_consistent() -> None:
    assert len(BY_NAME) == len(PARTIES)
    assert sum(len(each) for each in SIGNS.values()) == len(EVERY)
    for party, sign in EVERY:
        assert (sign.remedy or party.remedy).format(node="n", value="v", object="o"), party.name


def test_expired_lock_wakes_nothing() -> None:
    lock = NodeLock("n-1", START - timedelta(hours=3), START - timedelta(hours=1))
    daemon_set = Workload("DaemonSet", "kube-system", "reboots", "uid-ds", locks=(lock,))
    unmanaged = Pod("web", "alone", "u-alone", "n-1")
    story = SimulatedRollout(
        [a_snapshot([a_node("n-0"), a_node("n-1")], ([daemon_set], [unmanaged]))], a_policy()
    )
    story.start()
    for _ in range(1000):
        following = story.turn()
        if following is None or following > 3600:
            break
        story.at = following
    else:
        pytest.fail("it is woken again and again at the same moment")
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.STAGED}
    assert [each.reason for each in held(story, "n-1")] == [Reason.UNMANAGED]
