"""Pools of several architectures, and images that are pinned by the index over them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.linting.lint import lint
from fleet.core.objects.node import ARCHITECTURE_LABEL, ZONE_LABEL, Node, NodeRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.policy.policy import Amount, Limits, Policy
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import Release, Stream, is_release
from fleet.core.reporting.report import Verdict
from fleet.core.reporting.reporter import make_report
from fleet.core.rollout.action import AnyAction, Outcome, Stage
from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import NEW, OLD, START, a_node, a_pool, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.releases import AMD, ARM, BOTH, INDEX
from tests.simulated_rollout import SimulatedRollout

OF_BOTH = replace(NEW, digest="", digests=BOTH)
BY_INDEX = replace(NEW, digest=INDEX, digests=BOTH)
INDEX_ALONE = replace(NEW, digest=INDEX)
MANIFESTS = {"amd64": AMD, "arm64": ARM}


def a_policy(release: Release) -> Policy:
    pool = a_pool(limits=Limits(max_unavailable=Amount(9)))
    return Policy(pools=(pool,), streams=(Stream("stable", (OLD, release)),))


def built(name: str, architecture: str) -> Node:
    known = {ARCHITECTURE_LABEL: architecture} if architecture else {}
    return a_node(name, labels={ZONE_LABEL: "a", "pool": "workers", **known})


def a_cluster(*architectures: str) -> Snapshot:
    return a_snapshot([built(f"n-{index}", each) for index, each in enumerate(architectures)])


def asked_of(story: SimulatedRollout) -> dict[str, str]:
    """By node, the digest by which it was asked to fetch."""
    stages = [action for _, action, _ in story.performed if isinstance(action, Stage)]
    return {action.node.name: action.release.pin for action in stages}


@pytest.mark.parametrize(
    ("release", "asked"),
    [(OF_BOTH, {"n-0": AMD, "n-1": ARM}), (BY_INDEX, {"n-0": INDEX, "n-1": INDEX})],
)
def test_pool_of_two_architectures_is_upgraded(release: Release, asked: dict[str, str]) -> None:
    policy, cluster = a_policy(release), a_cluster("amd64", "arm64")
    plan = make_plan(PlanRequest("", [cluster], policy, ["workers"], release, START, DurationEstimates()))
    assert ({run.node for run in plan.runs}, plan.held) == ({"n-0", "n-1"}, ())
    story = SimulatedRollout([cluster], policy)
    story.start(release)
    story.run(until=lambda: story.engine.idle)
    assert set(story.steps().values()) == {Step.DONE}
    assert asked_of(story) == asked
    after = story.models["east"].snapshot(story.now)
    assert {each.name: each.booted.digest for each in after.machines if each.booted} == {
        "n-0": AMD,
        "n-1": ARM,
    }
    again = make_plan(PlanRequest("", [after], policy, ["workers"], release, START, DurationEstimates()))
    assert (again.runs, again.held) == ((), ())


@pytest.mark.parametrize(("architecture", "reported"), [("riscv64", "riscv64"), ("", "not known")])
def test_node_without_a_matching_digest_is_held_in_the_plan_and_in_the_rollout(
    architecture: str, reported: str
) -> None:
    policy, cluster = a_policy(OF_BOTH), a_cluster("amd64", architecture)
    plan = make_plan(PlanRequest("", [cluster], policy, ["workers"], OF_BOTH, START, DurationEstimates()))
    assert [run.node for run in plan.runs] == ["n-0"]
    (held,) = plan.held
    assert held.node == "n-1" and held.held is not None
    assert held.held.reason is Reason.ARCHITECTURE and reported in str(held.held.params["architecture"])
    assert {each.check for each in lint(policy, [cluster]).findings} >= {str(Reason.ARCHITECTURE)}
    story = SimulatedRollout([cluster], policy)
    story.start(OF_BOTH)
    story.run(3600)
    assert story.steps() == {"n-0": Step.DONE, "n-1": Step.PENDING}
    assert "n-1" not in asked_of(story)
    (why,) = story.engine.why(NodeRef("east", "n-1"), story.now)
    assert why.reason is Reason.ARCHITECTURE and why.needs_action and why.remedy


@pytest.mark.parametrize(
    ("release", "architectures", "warned"),
    [
        (NEW, ("amd64", "arm64"), True),
        (NEW, ("amd64", "amd64", ""), False),
        (BY_INDEX, ("amd64", "arm64"), False),
        (OF_BOTH, ("amd64", "arm64"), False),
        (replace(NEW, digest=""), ("amd64", "arm64"), False),
    ],
)
def test_one_digest_for_several_architectures_is_warned_of(
    release: Release, architectures: tuple[str, ...], warned: bool
) -> None:
    policy, cluster = a_policy(release), a_cluster(*architectures)
    plan = make_plan(PlanRequest("", [cluster], policy, ["workers"], release, START, DurationEstimates()))
    assert ("one-digest" in {each.check for each in plan.warnings}) is warned
    assert ("one-digest" in {each.check for each in lint(policy, [cluster]).findings}) is warned


X86 = "6.12.9-301.fc43.x86_64"


@pytest.mark.parametrize(
    ("kernel", "running", "warned"),
    [
        (X86, ("6.11.4-301.fc43.aarch64",), True),
        (X86, ("6.11.4-301.fc43.x86_64", "6.11.4-301.fc43.aarch64+64k"), True),
        (X86, ("6.11.4-301.fc43.x86_64", "6.11.4-talos", ""), False),
        (X86, ("6.1.0-26-amd64",), False),
        ("6.12.9", ("6.11.4-301.fc43.x86_64", "6.11.4-301.fc43.aarch64"), False),
    ],
)
def test_kernel_of_another_architecture_is_warned_of(
    kernel: str, running: tuple[str, ...], warned: bool
) -> None:
    release = replace(NEW, digest="", kernel=kernel)
    policy = a_policy(release)
    cluster = a_snapshot([a_node(f"n-{index}", kernel=each) for index, each in enumerate(running)])
    plan = make_plan(PlanRequest("", [cluster], policy, ["workers"], release, START, DurationEstimates()))
    assert ("other-kernel" in {each.check for each in plan.warnings}) is warned
    assert ("other-kernel" in {each.check for each in lint(policy, [cluster]).findings}) is warned


def chooses(story: SimulatedRollout, tells_reference: bool) -> SimulatedRollout:
    """Its hosts fetch an index and report the manifest of their architecture, as real ones do."""

    def perform(action: AnyAction, at: float) -> Outcome:
        if isinstance(action, Stage):
            node = story.models["east"].snapshot(story.now).nodes[int(action.node.name[2:])]
            reported = replace(
                action.release,
                digest=MANIFESTS[node.architecture],
                reference_digest=action.release.pin if tells_reference else "",
            )
            action = replace(action, release=reported)
        return story.really(action, at)

    story.perform = perform
    return story


def test_index_alone_is_known_by_the_reference_that_hosts_report() -> None:
    story = chooses(
        SimulatedRollout([a_cluster("amd64", "arm64")], a_policy(INDEX_ALONE)), tells_reference=True
    )
    story.start(INDEX_ALONE)
    story.run(until=lambda: story.engine.idle)
    assert set(story.steps().values()) == {Step.DONE}
    machines = story.models["east"].snapshot(story.now).machines
    assert [each.booted.digest for each in machines if each.booted] == [AMD, ARM]
    assert all(is_release(each.booted, INDEX_ALONE) for each in machines)
    proof = story.run_of("n-1").proof
    assert (proof["digest"], proof["reference_digest"]) == (ARM, INDEX)
    report = make_report("r-1", story.entries, story.now, Verdict(True, len(story.entries)), None)
    assert {run.proof.reference_digest for run in report.runs if run.proof} == {INDEX}


def test_old_agents_need_the_digests_and_the_warning_says_so() -> None:
    story = chooses(SimulatedRollout([a_cluster("amd64")], a_policy(INDEX_ALONE)), tells_reference=False)
    story.start(INDEX_ALONE)
    story.run(until=lambda: story.engine.idle)
    run = story.run_of("n-0")
    assert run.step is Step.FAILED and INDEX in run.why and AMD in run.why and "digests" in run.why
    known = chooses(
        SimulatedRollout([a_cluster("amd64", "arm64")], a_policy(BY_INDEX)), tells_reference=False
    )
    known.start(BY_INDEX)
    known.run(until=lambda: known.engine.idle)
    assert set(known.steps().values()) == {Step.DONE}


def test_host_that_staged_another_release_is_asked_again_and_fails_with_its_name() -> None:
    """It used to be waited for until stage.timeout, without a message about what was written."""
    story = SimulatedRollout([a_cluster("amd64")], a_policy(NEW))

    def perform(action: AnyAction, at: float) -> Outcome:
        if isinstance(action, Stage):
            action = replace(action, release=replace(NEW, digest=AMD))
        return story.really(action, at)

    story.perform = perform
    story.start(NEW)
    story.run(until=lambda: story.engine.idle)
    run = story.run_of("n-0")
    assert (run.step, run.attempts) == (Step.FAILED, 2) and AMD in run.why
    assert story.at < 1800
