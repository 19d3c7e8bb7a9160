"""Whatever silences Alertmanager has: one round leaves exactly one for the node, which lasts, and touches no other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fleet.alertmanager.silence import (
    EXTENDED_BELOW,
    Matcher,
    Status,
    StoredSilence,
    Subject,
    creator,
    ours,
    upkeep,
)
from fleet.core.objects.node import NodeRef
from fleet.lab.simulation.builders import START

FLEET = "9d1c0b7e44a2f310"
LABELS = {"node": "n-1"}
SUBJECT = Subject("r-1", NodeRef("east", "n-1"), "node")
OTHER = Subject("r-1", NodeRef("east", "n-10"), "node")

silences = st.builds(
    lambda number, state, matcher, minutes, by, comment: StoredSilence(
        str(number),
        Status(state),
        (matcher,),
        f"start {number}",
        START + timedelta(minutes=minutes),
        by,
        comment,
    ),
    st.integers(0, 10**9),
    st.sampled_from(["active", "pending", "expired"]),
    st.sampled_from(
        [
            Matcher("node", "n-1", False),
            Matcher("node", "n-10", False),
            Matcher("node", "n-1", True),
            Matcher("node", "n-1", False, False),
        ]
    ),
    st.integers(-60, 60),
    st.sampled_from([creator(FLEET), creator("other"), "ada"]),
    st.sampled_from([SUBJECT.comment, OTHER.comment, "disk is known"]),
)
stored = st.lists(silences, max_size=8, unique_by=lambda silence: silence.id)


@given(stored)
def test_one_silence_is_left_that_lasts(found: Sequence[StoredSilence]) -> None:
    own = ours(found, FLEET)
    todo = upkeep(own, SUBJECT, LABELS, FLEET, START)
    left = {silence.id: silence.endsAt for silence in own if silence.comment == SUBJECT.comment}
    for silence in todo.delete:
        del left[silence]
    if todo.post is not None:
        left[todo.post.get("id", "new")] = datetime.fromisoformat(todo.post["endsAt"])
    (ends,) = left.values()
    assert ends > START + EXTENDED_BELOW
    kept = [silence for silence in own if silence.id in left]
    assert all(silence.labels == LABELS for silence in kept)
    if kept and todo.post is not None:
        assert todo.post["startsAt"] == kept[0].startsAt


@given(stored)
def test_silences_of_others_and_of_other_nodes_are_not_touched(found: Sequence[StoredSilence]) -> None:
    todo = upkeep(ours(found, FLEET), SUBJECT, LABELS, FLEET, START)
    touched = {*todo.delete, *([todo.post["id"]] if todo.post and "id" in todo.post else [])}
    mine = {
        silence.id
        for silence in found
        if (silence.createdBy, silence.comment) == (creator(FLEET), SUBJECT.comment)
        and silence.status.state != "expired"
    }
    assert touched <= mine
