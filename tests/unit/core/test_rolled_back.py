"""A node that came back with the old version: recorded, held, and not tried again before a user has released it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import Release
from fleet.core.rollout.replay import rollouts_of, unfinished
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import NEW, OLD, START, a_machine, a_node, a_policy, a_pool, a_snapshot
from fleet.model.behaviour import ClusterBehaviour, Failure
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.simulated_rollout import SimulatedRollout

NEWER = Release("44.20261201.3.0", "sha256:" + "c" * 64, "6.13.1")
OLD_VERSION: Mapping[str, Failure] = {"n-0": "old-version"}
POOL = a_pool(failure_limit=9)


def after_a_failure(failures: Mapping[str, Failure] = OLD_VERSION) -> SimulatedRollout:
    """n-0 failed in r-1, which has ended; n-1 was upgraded."""
    behaviour = ClusterBehaviour(failures=failures)
    story = SimulatedRollout([a_snapshot([a_node("n-0"), a_node("n-1")])], a_policy(POOL), behaviour, seed=1)
    story.start()
    story.run()
    assert story.steps() == {"n-0": Step.FAILED, "n-1": Step.DONE}
    return story


def planned(story: SimulatedRollout, release: Release, kept: Sequence[Rollout] | None = None) -> Plan:
    found = (
        [each for each in rollouts_of(story.entries).values() if unfinished(each)] if kept is None else kept
    )
    snapshot = story.models["east"].snapshot(story.now)
    return make_plan(
        PlanRequest(
            "", [snapshot], story.policy, ["workers"], release, story.now, DurationEstimates(), kept=found
        )
    )


def test_journal_records_which_release_was_booted_instead() -> None:
    story = after_a_failure()
    assert story.run_of("n-0").rolled_back == OLD.version
    assert story.run_of("n-1").rolled_back == story.run_of("n-1").log == ""
    assert "Failed to start" in story.run_of("n-0").log
    (record,) = [entry.record for entry in story.entries if "rolled_back" in entry.record.detail]
    assert (record.node, record.detail["rolled_back"]) == ("east/n-0", OLD.version)
    again = rollouts_of(story.entries)["r-1"]
    assert again.runs == story.rollout.runs


def test_plan_holds_a_node_back_from_the_release_that_it_rolled_back_from() -> None:
    plan = planned(after_a_failure(), NEW)
    assert plan.runs == ()
    (held,) = plan.held
    assert (held.node, held.reason) == ("n-0", "rolled-back")
    assert held.held == Held(
        Reason.ROLLED_BACK, "n-0", {"booted": OLD.version, "release": NEW.version, "by": "r-1"}
    )
    assert (held.detail, held.remedy) == (held.held.message, held.held.remedy)
    assert held.held.needs_action


def test_for_another_release_only_the_slot_is_kept() -> None:
    plan = planned(after_a_failure(), NEWER)
    assert [run.node for run in plan.runs] == ["n-1"]
    assert [(held.node, held.reason) for held in plan.held] == [("n-0", "other-rollout")]


@pytest.mark.parametrize("failure", ["never-back", "not-ready"])
def test_other_failures_are_no_rollback(failure: Failure) -> None:
    assert after_a_failure({"n-0": failure}).run_of("n-0").rolled_back == ""


def test_release_command_allows_another_attempt() -> None:
    story = after_a_failure()
    story.send("release", "east/n-0")
    story.run()
    plan = planned(story, NEW)
    assert ([run.node for run in plan.runs], plan.held) == (["n-0"], ())


@pytest.mark.parametrize("killed", [False, True])
def test_rollout_started_anyway_does_not_try_it(killed: bool) -> None:
    """As one would be whose plan is older than the failure."""
    failures: dict[str, Failure] = {"n-0": "old-version"}
    story = after_a_failure(failures)
    entry = story.entries[0]
    story.command(replace(entry.record, rollout="r-2"))
    if killed:
        story.kill()
    story.run(seconds=3600)
    ref = NodeRef("east", "n-0")
    second = story.engine.rollouts["r-2"]
    assert second.runs[ref].waiting
    assert [held.reason for held in story.engine.why(ref, story.now)] == [Reason.ROLLED_BACK]
    failures.clear()
    story.send("release", "east/n-0")
    story.run()
    assert second.runs[ref].step is Step.DONE


def test_plan_for_some_nodes_leaves_the_others_alone() -> None:
    nodes = [a_node(f"n-{number}") for number in range(4)]
    snapshot = a_snapshot(nodes, machines=[a_machine(node) for node in nodes])
    only = [NodeRef("east", "n-1"), NodeRef("east", "n-3")]
    plan = make_plan(
        PlanRequest("", [snapshot], a_policy(), ["workers"], NEW, START, DurationEstimates(), only=only)
    )
    assert sorted(run.node for run in plan.runs) == ["n-1", "n-3"]
    assert set(plan.fingerprint) == {"east/n-1", "east/n-3"}
