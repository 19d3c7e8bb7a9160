"""What was done on one node, from the entries about this node alone."""

from __future__ import annotations

import msgspec
import pytest

from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.core.reporting.node_timeline import NodeTimeline
from fleet.core.reporting.timeline import Timeline
from fleet.lab.simulation.builders import NEW, START, a_policy, a_pool
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.simulated_rollout import SimulatedRollout
from tests.unit.app.finished import workers

POLICY = a_policy(a_pool())


def a_rollout() -> list[JournalEntry]:
    """Returns the journal of a rollout on the model cluster."""
    request = PlanRequest("p-1", [workers(4)], POLICY, ["workers"], NEW, START, DurationEstimates())
    story = SimulatedRollout([workers(4)], POLICY)
    start = msgspec.to_builtins(make_plan(request).begin())
    story.command(JournalRecord(form="command", kind="start", rollout="r-1", detail=start))
    story.run(until=lambda: story.at >= 3600)
    story.command(
        JournalRecord(
            form="command", kind="release", rollout="r-1", node="east/n-1", detail={"reason": "seen"}
        )
    )
    return story.entries


def facts(found: NodeTimeline) -> tuple[object, ...]:
    return found.steps, found.evictions, found.quorums, found.retries, found.changes, found.commands


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.75, 1.0])
def test_entries_about_a_node_say_as_much_of_it_as_the_whole_journal(share: float) -> None:
    entries = a_rollout()
    entries = entries[: max(1, int(share * len(entries)))]
    whole = Timeline("r-1")
    whole.apply(entries)
    for ref, expected in whole.nodes.items():
        alone = NodeTimeline(START)
        alone.read(entry for entry in entries if entry.record.node == str(ref))
        assert facts(alone) == facts(expected)
    if share == 1.0:
        assert whole.nodes[NodeRef("east", "n-1")].commands
        assert any(past.evictions for past in whole.nodes.values())
