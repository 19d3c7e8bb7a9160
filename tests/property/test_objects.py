"""Whatever an API server, a dump or an agent sends is read, left out, or refused with a message."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.records.errors import FleetError, UsageError
from fleet.kube.kinds.api_resources import KINDS, MACHINES, NODES
from fleet.kube.watch.dump_file import of_dump
from fleet.lab.simulation.builders import NEW, START, a_policy
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.property import objects
from tests.property.odd_values import anything, bent

SOON = timedelta(seconds=5)
"""No one document takes longer, on a slow machine too."""


def written(value: Any) -> bytes:
    return json.dumps(value).encode()


def read(data: bytes) -> Snapshot | None:
    """None where it was refused as refusals are."""
    try:
        return of_dump(data, "east", "fra", START)
    except UsageError as refused:
        assert refused.message and len(refused.message) < 1000
        return None


def test_valid_objects_are_read() -> None:
    """Otherwise the tests below would bend what is broken already."""
    found = read(written({"items": list(objects.ALL)}))
    assert found is not None
    assert [len(each) for each in (found.nodes, found.pods, found.budgets, found.workloads, found.machines)] == [
        1, 2, 1, 4, 1
    ]  # fmt: skip
    (machine,), (volume,), (attachment,) = found.machines, found.volumes, found.attachments
    assert volume.claim and attachment.may_be_attached and attachment.error == "rpc error: DeadlineExceeded"
    assert any(pod.mounted == ("data-1", f"{pod.name}-scratch") for pod in found.pods)
    assert [each.name for each in found.workloads if each.daemon] == ["net"]
    assert machine.booted and machine.staged and machine.rollback and machine.request and machine.work
    assert found.pods[0].mirror and found.pods[0].finalizers and found.pods[0].owner


@settings(deadline=SOON)
@given(
    st.one_of(
        st.binary(max_size=200),
        anything.map(written),
        st.lists(anything).map(lambda x: written({"items": x})),
    )
)
def test_any_dump_is_handled(data: bytes) -> None:
    read(data)


@settings(deadline=SOON, max_examples=300)
@given(bent({"kind": "List", "items": list(objects.ALL)}))
def test_dump_with_an_odd_value_is_handled(reported: Any) -> None:
    read(written(reported))


@settings(deadline=SOON)
@given(st.binary(max_size=60), st.integers(0, 4000), st.integers(0, 4000))
def test_truncated_or_overwritten_dump_is_handled(noise: bytes, at: int, end: int) -> None:
    good = written({"items": list(objects.ALL)})
    read(good[:at] + noise + good[end:])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
@settings(deadline=SOON, max_examples=60)
@given(data=st.data())
def test_any_list_answer_and_watch_line_is_handled(kind: Any, data: st.DataObject) -> None:
    good = next((each for each in objects.ALL if each["kind"] == kind.kind), objects.REPLICA_SET)
    one = data.draw(bent(good))
    lists = data.draw(bent({"metadata": {"resourceVersion": "9", "continue": ""}, "items": [good, one]}))
    lines = data.draw(bent({"type": "MODIFIED", "object": one}))
    for call, value in ((kind.thing, one), (kind.page, lists), (kind.change, lines)):
        try:
            call(written(value))
        except FleetError as refused:
            assert len(refused.message) < 1000


@settings(deadline=SOON, max_examples=300)
@given(bent(objects.MACHINE, most=6))
def test_report_of_an_agent_is_read_or_left_out(reported: Any) -> None:
    """One broken agent must not make a whole cluster unreadable."""
    page = MACHINES.page(written({"items": [reported, objects.MACHINE]}))
    assert page.things


@settings(deadline=SOON)
@given(bent(objects.NODE))
def test_odd_node_is_named_in_the_refusal(reported: Any) -> None:
    try:
        NODES.page(written({"items": [reported]}))
    except FleetError as refused:
        assert "nodes" in refused.message or "Node" in refused.message


@settings(deadline=timedelta(seconds=20), max_examples=80)
@given(bent({"items": list(objects.ALL)}, most=6))
def test_objects_that_were_read_can_be_planned(reported: Any) -> None:
    found = read(written(reported))
    if found is None:
        return
    plan = make_plan(PlanRequest("p-1", [found], a_policy(), ["workers"], NEW, START, DurationEstimates()))
    again = msgspec.json.decode(msgspec.json.encode(plan), type=Plan)
    assert len(again.runs) + len(again.held) <= len(found.nodes)
