"""What a drain does with single pods: by the policy's rules, by their own marks, by what is known of their controller."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from fleet.core.cluster.view import ClusterView
from fleet.core.linting.lint import lint
from fleet.core.objects.attachment import Attachment
from fleet.core.objects.node import NodeRef, Toleration
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.selector import Selector
from fleet.core.objects.workload import Workload
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.policy.drain_rule import PodRule, PodRuleTerm
from fleet.core.policy.policy import Amount, DrainRule, Limits
from fleet.core.policy.treatment import Treatment, treatment
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import AnyAction, Evict, Outcome, Reboot, Result
from fleet.core.rollout.event import Upserted
from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import (
    NEW,
    START,
    a_budget,
    a_deployment,
    a_node,
    a_policy,
    a_pool,
    a_snapshot,
)
from fleet.model.behaviour import ClusterBehaviour
from fleet.model.model import Model
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.simulated_rollout import SimulatedRollout

NODES = [a_node(f"n-{index}") for index in range(3)]
JOB = Workload("Job", "db", "backup", "job-1", fails_by_eviction=True)
REF = NodeRef("east", "n-0")


def a_pod(**changes: object) -> Pod:
    pod = Pod("web", "p-0", "u-0", "n-0", owner=Owner("StatefulSet", "p", "s-1"))
    return replace(pod, **changes)


def do(pod: Pod, *rules: PodRule, controller: Workload | None = None) -> str:
    return treatment(pod, rules, controller).do


def story_of(
    *pods: Pod, rules: tuple[PodRule, ...] = (), workloads: tuple[Workload, ...] = (), **more: object
) -> SimulatedRollout:
    drain = DrainRule(no_room="evict", timeout_seconds=more.pop("timeout", 600), rules=rules)  # type: ignore[arg-type]
    pool = a_pool(drain=drain, limits=Limits(max_unavailable=Amount(3)))
    snapshot = a_snapshot(NODES, (list(workloads), list(pods)), more.pop("budgets", []))  # type: ignore[arg-type]
    story = SimulatedRollout([snapshot], a_policy(pool), **more)  # type: ignore[arg-type]
    story.start()
    return story


def reasons(story: SimulatedRollout, name: str = "n-0") -> list[Reason]:
    return [held.reason for held in story.engine.why(NodeRef("east", name), story.now)]


def evicted(story: SimulatedRollout) -> list[str]:
    return [action.pod.name for _, action, _ in story.performed if isinstance(action, Evict)]


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (a_pod(), "evict"),
        (a_pod(labels={"cluster.x-k8s.io/drain": "skip"}), "skip"),
        (a_pod(labels={"cluster.x-k8s.io/drain": "Wait-Completed"}), "wait"),
        (a_pod(labels={"cluster.x-k8s.io/drain": "nonsense"}), "evict"),
        (a_pod(annotations={"karpenter.sh/do-not-disrupt": "true"}), "hold"),
        (a_pod(annotations={"karpenter.sh/do-not-disrupt": "false"}), "evict"),
        (a_pod(annotations={"karpenter.sh/do-not-evict": "true"}), "hold"),
        (a_pod(annotations={"autoscaling.cast.ai/removal-disabled": "true"}), "hold"),
        (a_pod(annotations={"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}), "hold"),
        (a_pod(annotations={"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"}), "evict"),
        (a_pod(labels={"longhorn.io/component": "instance-manager"}), "ask"),
        (a_pod(labels={"longhorn.io/component": "csi-plugin"}), "evict"),
        (a_pod(labels={"strimzi.io/cluster": "k"}, owner=Owner("StrimziPodSet", "k", "1")), "ask"),
        (a_pod(labels={"strimzi.io/cluster": "k"}, owner=Owner("ReplicaSet", "operator", "1")), "evict"),
        (a_pod(labels={"kubevirt.io": "virt-launcher"}), "ask"),
        (a_pod(labels={"kubevirt.io": "hotplug-disk"}, owner=Owner("Pod", "virt-launcher-vm", "1")), "wait"),
        (a_pod(labels={"cnpg.io/cluster": "pg", "cnpg.io/instanceRole": "primary"}), "ask"),
        (a_pod(labels={"cnpg.io/cluster": "pg", "cnpg.io/instanceRole": "replica"}), "evict"),
        (a_pod(labels={"name": "portworx"}, owner=Owner("StorageCluster", "px", "1")), "ask"),
    ],
)
def test_annotations_and_operators_that_are_honoured_without_a_rule(pod: Pod, expected: str) -> None:
    assert do(pod) == expected


def test_job_without_retries_is_waited_for_and_others_restart() -> None:
    pod = a_pod(owner=Owner("Job", "backup", "job-1"))
    assert do(pod, controller=JOB) == "wait"
    assert do(pod, controller=replace(JOB, fails_by_eviction=False)) == "evict"


def test_all_conditions_of_a_term_and_one_term_of_a_rule_must_match() -> None:
    games = PodRuleTerm(
        ("games",), Selector({"tier": "live"}), {"example.com/busy": "true"}, ("StatefulSet",)
    )
    jobs = PodRuleTerm(owners=("CronJob",))
    rule = PodRule("r", "hold", (games, jobs))
    busy = a_pod(namespace="games", labels={"tier": "live"}, annotations={"example.com/busy": "true"})
    assert do(busy, rule) == "hold"
    for other in (
        replace(busy, namespace="web"),
        replace(busy, labels={"tier": "test"}),
        replace(busy, annotations={}),
        replace(busy, owner=None),
    ):
        assert do(other, rule) == "evict"
    cron = replace(JOB, owner=Owner("CronJob", "nightly", "c"), fails_by_eviction=False)
    assert do(a_pod(owner=Owner("Job", "backup", "job-1")), rule, controller=cron) == "hold"


def test_first_matching_rule_wins_over_annotations() -> None:
    first = PodRule("all", "evict")
    second = PodRule("never", "hold", (PodRuleTerm(owners=("StatefulSet",)),))
    marked = a_pod(labels={"cluster.x-k8s.io/drain": "skip"})
    assert do(marked, first, second) == "evict"
    assert do(marked, second, first) == "hold"
    assert do(a_pod(owner=None), PodRule("bare", "skip", (PodRuleTerm(owners=("none",)),))) == "skip"


def test_held_pod_holds_its_node_before_the_cordon_and_names_its_rule() -> None:
    story = story_of(a_pod(annotations={"karpenter.sh/do-not-disrupt": "true"}))
    story.run()
    assert reasons(story) == [Reason.POD_HELD]
    (held,) = story.engine.why(REF, story.now)
    assert (
        held.subject == "web/p-0"
        and "karpenter.sh/do-not-disrupt" in held.message
        and held.remedy
        and held.needs_action
    )
    assert story.steps() == {"n-0": Step.STAGED, "n-1": Step.DONE, "n-2": Step.DONE}


def test_held_pod_that_appears_during_a_drain_is_named_at_the_end_of_the_run() -> None:
    story = story_of(
        a_pod(name="slow", uid="slow", grace_seconds=500), behaviour=ClusterBehaviour(pod_stop=400.0)
    )
    story.run(until=lambda: story.run_of("n-0").step is Step.DRAIN)
    late = a_pod(annotations={"karpenter.sh/do-not-disrupt": "true"})
    story.models["east"].stranger.add_pod(late)
    story.run()
    run = story.run_of("n-0")
    assert run.step is Step.FAILED
    assert "web/p-0" in run.why and "karpenter.sh/do-not-disrupt" in run.why


def test_pod_kept_by_a_finalizer_after_its_eviction_has_a_remedy() -> None:
    story = story_of(a_pod(finalizers=True, finalizer_names=("volumes.example/guard",)), timeout=3600)
    story.run(until=lambda: Reason.STUCK_TERMINATING in reasons(story))
    (held,) = story.engine.why(REF, story.now)
    assert story.run_of("n-0").step is Step.DRAIN and "volumes.example/guard" in held.remedy


def test_node_goes_once_its_annotation_is_removed() -> None:
    pod = a_pod(annotations={"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"})
    story = story_of(pod)
    story.run(until=lambda: reasons(story) == [Reason.POD_HELD] and story.run_of("n-1").ended)
    story.models["east"].stranger.annotate_pod(pod.ref, {})
    story.run()
    assert set(story.steps().values()) == {Step.DONE}


def test_skipped_pod_stays_through_the_reboot() -> None:
    rule = PodRule("agents", "skip", (PodRuleTerm(selector=Selector({"app": "agent"})),))
    stays, goes = (
        a_pod(labels={"app": "agent"}),
        a_pod(name="q-0", uid="u-1", owner=Owner("StatefulSet", "q", "s-2")),
    )
    story = story_of(stays, goes, rules=(rule,))
    story.run()
    assert evicted(story) == ["q-0"]
    assert set(story.steps().values()) == {Step.DONE}
    (reboot,) = [
        action for _, action, _ in story.performed if isinstance(action, Reboot) and action.node == REF
    ]
    assert reboot.staying == ("u-0",)
    assert any(pod.uid == "u-0" and pod.node == "n-0" for pod in story.models["east"].snapshot(START).pods)


def test_pod_that_is_waited_for_is_not_evicted() -> None:
    pod = a_pod(namespace="db", owner=Owner("Job", "backup", "job-1"))
    story = story_of(pod, workloads=(JOB,))
    story.run(until=lambda: reasons(story) == [Reason.POD_WAITS])
    assert story.run_of("n-0").step is Step.DRAIN
    story.run(seconds=120)
    assert story.run_of("n-0").step is Step.DRAIN and not evicted(story)
    story.models["east"].stranger.finish_pod(pod.ref)
    story.run()
    assert set(story.steps().values()) == {Step.DONE} and not evicted(story)


def test_wait_is_bounded_by_the_rules_timeout_and_the_node_is_given_back() -> None:
    rule = PodRule("jobs", "wait", (PodRuleTerm(owners=("StatefulSet",)),), timeout_seconds=90)
    story = story_of(a_pod(), rules=(rule,))
    story.run()
    run = story.run_of("n-0")
    assert run.step is Step.FAILED and not evicted(story)
    assert "90 s" in run.why and "web/p-0" in run.why and "rule jobs" in run.why
    assert not story.models["east"].snapshot(START).nodes[0].unschedulable


def test_pods_of_a_lower_order_are_gone_before_those_of_a_higher_order_are_evicted() -> None:
    last = PodRule("last", "evict", (PodRuleTerm(selector=Selector({"tier": "db"})),), order=1)
    first = PodRule("first", "evict", (PodRuleTerm(selector=Selector({"tier": "web"})),), order=-1)
    pods = [
        a_pod(name=f"{tier}-0", uid=tier, labels={"tier": tier}, owner=Owner("StatefulSet", tier, tier))
        for tier in ("db", "other", "web")
    ]
    story = story_of(*pods, rules=(last, first))
    story.run()
    assert evicted(story) == ["web-0", "other-0", "db-0"]
    times = [at for at, action, _ in story.performed if isinstance(action, Evict)]
    assert len(set(times)) == 3


def test_drain_timeout_begins_once_the_awaited_pods_are_gone() -> None:
    """A Job of half an hour does not use up the ten minutes of the pod beside it."""
    rule = PodRule("jobs", "wait", (PodRuleTerm(owners=("Job",)),), timeout_seconds=3600)
    job, sick = a_pod(owner=Owner("Job", "j", "j")), a_pod(name="q-0", uid="u-1", finalizers=True)
    story = story_of(job, sick, rules=(rule,))
    story.run(seconds=1800)
    assert story.run_of("n-0").step is Step.DRAIN
    story.models["east"].stranger.finish_pod(job.ref)
    story.run(seconds=500)
    assert story.run_of("n-0").step is Step.DRAIN
    story.run()
    assert story.run_of("n-0").step is Step.FAILED and "600 s" in story.run_of("n-0").why


def test_volume_timeout_begins_once_the_awaited_pods_are_gone() -> None:
    rule = PodRule("jobs", "wait", (PodRuleTerm(owners=("Job",)),), timeout_seconds=3600)
    job = a_pod(owner=Owner("Job", "j", "j"))
    story = story_of(job, rules=(rule,))
    volume = Attachment("csi-a", "uid-a", "n-0", "pv-a", "ebs.csi.aws.com", attached=True)
    story.run(seconds=1800)
    story.engine.observe(Upserted("east", volume), story.now)
    story.models["east"].stranger.finish_pod(job.ref)
    story.run(seconds=500)
    assert story.run_of("n-0").step is Step.DRAIN and reasons(story) == [Reason.VOLUMES_ATTACHED]
    story.run()
    assert story.run_of("n-0").step is Step.FAILED and "600 s" in story.run_of("n-0").why


def test_events_of_a_long_wait_do_not_multiply_the_checks() -> None:
    rule = PodRule("jobs", "wait", (PodRuleTerm(owners=("Job",)),), timeout_seconds=36000)
    job = a_pod(owner=Owner("Job", "j", "j"))
    story = story_of(job, rules=(rule,))
    story.run(until=lambda: story.run_of("n-0").step is Step.DRAIN)
    for _ in range(50):
        end = story.at + 7.3
        story.run(seconds=7.3)
        story.at = end
        story.engine.observe(Upserted("east", job), story.now)
    turns = 0

    def count() -> bool:
        nonlocal turns
        turns += 1
        return False

    story.run(seconds=600, until=count)
    assert story.run_of("n-0").step is Step.DRAIN and turns < 100


def closed_pods(**labels: str) -> tuple[list[Pod], list[object]]:
    """One on each node, whose budget allows nothing."""
    pods = [
        a_pod(
            name=f"im-{index}",
            uid=f"im-{index}",
            node=node.name,
            labels=labels,
            owner=Owner("InstanceManager", f"im-{index}", f"o-{index}"),
        )
        for index, node in enumerate(NODES)
    ]
    never = replace(a_budget("im", 3, 0), namespace="web", selector=Selector(labels), desired_healthy=3)
    return pods, [never]


def test_eviction_against_a_used_up_operator_budget_is_requested_one_node_at_a_time() -> None:
    pods, budgets = closed_pods(**{"longhorn.io/component": "instance-manager"})
    story = story_of(*pods, budgets=budgets)
    model = story.models["east"]
    story.run(until=lambda: len(evicted(story)) >= 3)
    asked = [(at, action) for at, action, result in story.performed if isinstance(action, Evict)]
    assert all(action.asked for _, action in asked)
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(asked)]
    assert gaps == sorted(gaps) and gaps[-1] > gaps[0], "it is asked with growing pauses"
    assert {action.node.name for _, action in asked} == {"n-0"}
    story.run(until=lambda: Reason.ASKED in reasons(story, "n-0"))
    assert {reasons(story, name)[-1] for name in ("n-1", "n-2")} == {Reason.ASK_TURN}
    # The operator has moved what had to move: it takes its budget away.
    story.run(until=lambda: not _mend(story, model) and all(run.ended for run in story.rollout.runs.values()))
    assert set(story.steps().values()) == {Step.DONE}


def _mend(story: SimulatedRollout, model: Model) -> bool:
    for budget in model.snapshot(story.now).budgets:
        model.stranger.delete_budget(budget.ref)
    return False


def test_budget_that_stays_closed_ends_the_run_in_time_and_gives_the_node_back() -> None:
    pods, budgets = closed_pods(**{"kubevirt.io": "virt-launcher"})
    story = story_of(*pods, budgets=budgets)
    story.run(until=lambda: any(run.ended for run in story.rollout.runs.values()))
    run = next(run for run in story.rollout.runs.values() if run.ended)
    assert run.step is Step.FAILED and "600 s" in run.why and "disruption budget" in run.why
    sent = [at for at, action, _ in story.performed if isinstance(action, Evict)]
    assert len(sent) < 16
    node = next(each for each in story.models["east"].snapshot(START).nodes if each.name == run.node.name)
    assert not node.unschedulable


def test_operator_that_acts_on_the_request_lets_the_pod_go() -> None:
    """The webhook answers 429 and marks the pod; its operator deletes it."""
    pods, budgets = closed_pods(**{"kubevirt.io": "virt-launcher"})

    def perform(action: AnyAction, at: float) -> Outcome:
        if isinstance(action, Evict):
            story.models["east"].stranger.delete_pod(action.pod)
            return Outcome(action, Result.FAILED, 'admission webhook "x" denied the request: evacuation')
        return story.really(action, at)

    story = story_of(*pods, budgets=budgets, perform=perform)
    story.run()
    assert set(story.steps().values()) == {Step.DONE}


def a_database(*nodes: str) -> tuple[list[Pod], list[object]]:
    """Instances of one CloudNativePG cluster, the primary first, and the budget over the primary."""
    pods = [
        a_pod(
            name=f"pg-{index}",
            uid=f"pg-{index}",
            node=node,
            labels={"cnpg.io/cluster": "pg", "cnpg.io/instanceRole": "replica" if index else "primary"},
            owner=Owner("Cluster", "pg", "pg"),
        )
        for index, node in enumerate(nodes)
    ]
    selector = Selector({"cnpg.io/cluster": "pg", "cnpg.io/instanceRole": "primary"})
    budget = replace(a_budget("pg", 1, 1), selector=selector, max_unavailable=None, min_available=1)
    return pods, [replace(budget, desired_healthy=1, disruptions_allowed=0)]


@pytest.mark.parametrize("nodes", [("n-0",), ("n-0", "n-0")])
def test_primary_without_an_instance_elsewhere_is_not_requested(nodes: tuple[str, ...]) -> None:
    """Its operator has no standby to hand over to: a cordon would be waited for in vain, and then count as a
    failure."""
    pods, budgets = a_database(*nodes)
    pooler = a_pod(name="pool", uid="pool", node="n-1", labels={"cnpg.io/cluster": "pg"}, owner=pods[0].owner)
    story = story_of(*pods, pooler, budgets=budgets)
    story.run()
    assert story.steps() == {"n-0": Step.STAGED, "n-1": Step.DONE, "n-2": Step.DONE}
    (held,) = story.engine.why(REF, story.now)
    assert held.reason is Reason.ROLE and held.needs_action and "enablePDB" in held.remedy
    # A standby comes on another node: now it may be tried.
    story.engine.observe(Upserted("east", a_database("n-0", "n-1")[0][1]), story.now)
    story.run(until=lambda: story.run_of("n-0").step is Step.DRAIN)
    assert story.run_of("n-0").asks == ("CloudNativePG web/pg",)
    plan = planned(budgets, pods)
    assert [(each.node, each.reason) for each in plan.held] == [("n-0", Reason.ROLE)]
    assert "role-moves" not in [each.check for each in plan.warnings], "it has nowhere to move"


def test_missing_standby_keeps_the_primary_from_being_requested() -> None:
    pods, budgets = a_database("n-0", "n-1")
    view = ClusterView.of(a_snapshot(NODES, ([], pods), budgets))  # type: ignore[arg-type]
    assert view.treatment(pods[0]).do == "ask" and view.drain_demand("n-0").requested_evictions(view.budgets)
    assert "n-0" in view.upsert(replace(pods[1], deleting=True))
    assert view.treatment(pods[0]).do == "evict" and not view.drain_demand("n-0").requested_evictions(
        view.budgets
    )
    assert view.upsert(replace(pods[1], deleting=True)) == set()
    assert "n-0" in view.upsert(replace(pods[1], uid="another"))
    assert view.treatment(pods[0]).do == "ask"
    assert "n-0" in view.delete(replace(pods[1], uid="another"))
    view.set_drain_rules("n-0", (PodRule("as-it-is", "ask"),))
    assert view.treatment(pods[0]).do == "ask", "a rule of the policy has the last word"


def test_pod_that_holds_a_virtual_machines_volume_is_not_evicted() -> None:
    """kubevirt#13523: evicted before its machine has moved, it takes the disk from under it."""
    pods, budgets = closed_pods(**{"kubevirt.io": "virt-launcher"})
    machine, owner = pods[0], Owner("Pod", pods[0].name, pods[0].uid)
    volume = a_pod(name="hp-volume", uid="hp", labels={"kubevirt.io": "hotplug-disk"}, owner=owner)
    story = story_of(machine, volume, budgets=budgets)
    story.run(until=lambda: Reason.ASKED in reasons(story))
    assert set(evicted(story)) == {machine.name} and Reason.POD_WAITS in reasons(story)
    for pod in (machine, volume):
        story.models["east"].stranger.finish_pod(pod.ref)
    story.run()
    assert set(story.steps().values()) == {Step.DONE} and set(evicted(story)) == {machine.name}
    assert "operator" not in {each.check for each in planned(budgets, [machine, volume]).warnings}


def test_rule_may_keep_the_budgets_of_an_operator() -> None:
    pods, budgets = closed_pods(**{"longhorn.io/component": "instance-manager"})
    story = story_of(*pods, budgets=budgets, rules=(PodRule("as-others", "evict"),))
    story.run()
    assert reasons(story) == [Reason.BUDGET_NEVER] and not evicted(story)


def test_budget_that_counts_no_pods_without_a_controller_has_a_remedy() -> None:
    bare = a_pod(owner=None, labels={"app": "lonely"})
    uncounted = replace(
        a_budget("lonely", 0, 1), disruptions_allowed=0, current_healthy=0, desired_healthy=0, expected_pods=0
    )
    story = story_of(bare, budgets=[uncounted], rules=(PodRule("let-go", "evict"),))
    story.run()
    (held,) = story.engine.why(REF, story.now)
    assert held.reason is Reason.BUDGET_UNCOUNTED and held.params["pod"] == str(bare.ref) and held.remedy


def test_budget_that_cannot_be_computed_is_reported_with_its_controllers_message() -> None:
    pod = a_pod(labels={"app": "made"}, owner=Owner("Job", "made", "j-1"))
    story = story_of(pod, budgets=[a_budget("made", 1, 1)])
    story.run()
    (held,) = story.engine.why(REF, story.now)
    assert held.reason is Reason.BUDGET_FAILED and "scale" in held.message and held.remedy


def test_blocking_budget_of_rook_is_waited_for_without_an_operator() -> None:
    pods, budgets = closed_pods(app="rook-ceph-osd")
    story = story_of(*pods, budgets=budgets)
    story.run(seconds=300)
    assert reasons(story) == [Reason.BUDGET]
    (held,) = story.engine.why(REF, story.now)
    assert not held.needs_action and "Rook" in held.message


def test_requested_node_survives_a_kill() -> None:
    pods, budgets = closed_pods(**{"longhorn.io/component": "instance-manager"})
    story = story_of(*pods, budgets=budgets)
    story.run(until=lambda: bool(evicted(story)))
    asked = next(run for run in story.rollout.runs.values() if run.asks)
    assert asked.asks == ("Longhorn",)
    story.kill()
    story.run(seconds=200)
    assert {action.node for _, action, _ in story.performed if isinstance(action, Evict)} == {asked.node}


def test_job_seen_after_its_pod_is_waited_for_too() -> None:
    pod = a_pod(namespace="db", owner=Owner("Job", "backup", "job-1"))
    story = story_of(pod)
    assert story.engine.views["east"].drain_demand("n-0").left_to_end() == []
    story.engine.observe(Upserted("east", JOB), story.now)
    ((waiting, treated),) = story.engine.views["east"].drain_demand("n-0").left_to_end()
    assert waiting.uid == pod.uid and isinstance(treated, Treatment)


def test_lint_names_pods_that_a_drain_would_lose_or_could_not_remove() -> None:
    workloads, pods = a_deployment("monitor", 1, NODES)
    tolerant = replace(pods[0], tolerations=(Toleration(operator="Exists"),))
    job = a_pod(namespace="db", owner=Owner("Job", "backup", "job-1"))
    bare = a_pod(name="debug", uid="u-9", owner=None)
    pool = a_pool(
        drain=DrainRule(unmanaged="evict", rules=(PodRule("jobs", "evict", (PodRuleTerm(owners=("Job",)),)),))
    )
    snapshot = a_snapshot(NODES, ([*workloads, JOB], [tolerant, job, bare]))
    found = {(each.check, each.subject) for each in lint(a_policy(pool), [snapshot]).findings}
    assert found == {
        ("tolerates-cordon", "Deployment web/monitor"),
        ("job-lost", "Job db/backup"),
        ("unmanaged-lost", "web/debug"),
    }


def planned(budgets: list[object], pods: list[Pod]) -> Plan:
    snapshot = a_snapshot(NODES, ([], pods), budgets)  # type: ignore[arg-type]
    policy = a_policy(a_pool(canaries=1, drain=DrainRule(no_room="evict", timeout_seconds=600)))
    return make_plan(PlanRequest("p-1", [snapshot], policy, ["workers"], NEW, START, DurationEstimates()))


def test_plan_lists_what_will_be_requested_without_an_estimate() -> None:
    pods, budgets = closed_pods(**{"longhorn.io/component": "instance-manager"})
    plan = planned(budgets, pods[:1])
    assert [run.node for run in plan.runs] == ["n-1", "n-2"]
    (held,) = plan.held
    assert (held.node, held.reason) == ("n-0", Reason.LENGTH_UNKNOWN)
    assert "Longhorn" in held.detail and "600 s" in held.remedy
    assert not next(goal for goal in plan.begin().goals if goal.node.name == "n-0").canary


def test_if_every_node_can_only_be_tried_one_of_them_is_the_canary() -> None:
    pods, budgets = closed_pods(**{"longhorn.io/component": "instance-manager"})
    plan = planned(budgets, pods)
    assert not plan.runs and {held.reason for held in plan.held} == {Reason.LENGTH_UNKNOWN}
    goals = plan.begin().goals
    assert len(goals) == 3 and sum(goal.canary for goal in goals) == 1


def test_plan_warns_of_pods_that_tolerate_a_cordon_and_of_local_data() -> None:
    tolerant = a_pod(tolerations=(Toleration(operator="Exists"),), local_data=True)
    plan = planned([], [tolerant])
    assert [(each.check, each.subject) for each in plan.warnings] == [
        ("local-data-lost", "web/p-0"),
        ("tolerates-cordon", "StatefulSet web/p"),
    ]
    assert all(each.remedy for each in plan.warnings)


def test_operator_budget_that_is_used_up_for_now_is_waited_for_like_any_other() -> None:
    """Strimzi with maxUnavailable 1: the second broker is not asked for while the first is away."""
    labels = {"strimzi.io/cluster": "k"}
    pods = [
        a_pod(
            name=f"k-{index}",
            uid=f"k-{index}",
            node=node.name,
            labels=labels,
            owner=Owner("StrimziPodSet", "k", "s"),
        )
        for index, node in enumerate(NODES)
    ]
    story = story_of(*pods, budgets=[replace(a_budget("k", 3, 1), selector=Selector(labels))])
    story.run()
    sent = [action for _, action, _ in story.performed if isinstance(action, Evict)]
    assert not any(action.asked for action in sent)
    assert set(story.steps().values()) == {Step.DONE}
