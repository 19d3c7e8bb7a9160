"""Compliance: which release was on which node in time, computed by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fleet.core.policy.policy import Policy, Pool
from fleet.core.policy.times.freeze import Freeze
from fleet.core.releases.release import Release, Stream
from fleet.core.reporting.period.compliance import Compliance
from fleet.core.reporting.period.deadline import Deadline
from fleet.core.reporting.period.history import Attempt, NodeHistory, Sighting, releases_by_stream
from fleet.core.reporting.period.measure import measure
from fleet.core.reporting.period.span import quarter

OCT = datetime(2026, 10, 1, tzinfo=UTC)
LATER = datetime(2027, 3, 1, tzinfo=UTC)
RULE = Deadline("30 days", 30)
STREAM = Stream(
    "stable",
    (
        Release("1", released=OCT - timedelta(days=200)),
        Release("2", released=OCT + timedelta(days=10)),
        Release("3", released=OCT + timedelta(days=80)),
    ),
)
POLICY = Policy(pools=(Pool("workers", stream="stable"),), streams=(STREAM,))
"""Release 2 is due on day 40, in the quarter. Release 3 is due on day 110, after it."""


def day(number: float) -> datetime:
    return OCT + timedelta(days=number)


def a_node(
    name: str, *seen: tuple[float, str], pool: str = "workers", gone: float | None = None
) -> NodeHistory:
    """`seen`: days after 1 October, and versions."""
    sightings = [Sighting(day(at), version) for at, version in seen]
    return NodeHistory("east", name, pool, sightings, [], [day(-1)], None if gone is None else day(gone))


def measured(
    *nodes: NodeHistory, policy: Policy = POLICY, now: datetime = LATER, name: str = "2026Q4"
) -> Compliance:
    return measure(nodes, [policy], quarter(name), RULE, now)


def of(found: Compliance, version: str) -> tuple[int, int, int, int]:
    (release,) = [each for each in found.releases if each.version == version]
    counts = release.counts
    return counts.in_time, counts.late, counts.overdue, counts.open


def test_a_release_is_in_time_late_or_overdue() -> None:
    found = measured(
        a_node("in-time", (0, "1"), (40, "2")),
        a_node("newer", (0, "1"), (20, "3")),
        a_node("late", (0, "1"), (41, "2")),
        a_node("overdue", (0, "1")),
    )
    assert of(found, "2") == (2, 1, 1, 0)
    assert of(found, "3") == (1, 0, 0, 3)
    assert (found.counts.due, found.counts.in_time, found.counts.share) == (4, 2, 0.5)
    assert [(each.node, each.state, each.days_over) for each in found.exceptions] == [
        ("late", "late", 1.0),
        ("overdue", "overdue", 52.0),
    ]


def test_what_came_after_the_span_does_not_count() -> None:
    late = a_node("n", (0, "1"), (100, "2"))
    assert of(measured(late), "2") == (0, 0, 1, 0)
    later = measured(late, name="2027Q1")
    assert [each.version for each in later.releases] == ["3"]
    assert later.carried_over == 0


def test_what_was_due_before_the_span_and_is_still_not_met_is_carried_over() -> None:
    found = measured(a_node("n", (0, "1")), name="2027Q1")
    assert (found.counts.due, found.carried_over) == (1, 1)
    assert [(each.version, each.state) for each in found.exceptions] == [("2", "overdue"), ("3", "overdue")]


def test_nothing_is_due_before_its_time_is_over() -> None:
    found = measured(a_node("n", (0, "1")), now=day(30))
    assert of(found, "2") == (0, 0, 0, 1)
    assert (found.counts.due, found.counts.share) == (0, None)


def test_a_node_that_went_back_counts_as_not_patched() -> None:
    found = measured(a_node("n", (0, "1"), (20, "2"), (60, "1")))
    assert of(found, "2") == (0, 0, 1, 0)
    # Exposed from day 10 to 20, and from day 60 to the end of the quarter on day 92.
    assert found.releases[1].exposure_node_days == 10 + 32


def test_exposure_counts_a_node_once_however_many_releases_it_lacks() -> None:
    found = measured(a_node("n", (0, "1")))
    two, three = found.releases[1], found.releases[0]
    assert (two.exposure_node_days, three.exposure_node_days) == (82, 12)
    assert found.exposure_node_days == 82
    assert found.exposed_at_end == 1


def test_a_node_that_joined_with_the_release_is_not_counted_as_late() -> None:
    joined = NodeHistory("east", "new", "workers", [Sighting(day(60), "2")])
    assert of(measured(joined), "2") == (0, 0, 0, 0)
    named_before = NodeHistory("east", "n", "workers", [Sighting(day(60), "2")], [], [day(55)])
    assert of(measured(named_before), "2") == (0, 1, 0, 0)


def test_a_node_that_was_gone_before_the_time_was_over_owes_nothing() -> None:
    assert of(measured(a_node("n", (0, "1"), gone=35)), "2") == (0, 0, 0, 0)
    assert of(measured(a_node("n", (0, "1"), gone=50)), "2") == (0, 0, 1, 0)


def test_a_release_without_a_date_is_unknown_and_not_guessed() -> None:
    policy = Policy(
        pools=POLICY.pools, streams=(Stream("stable", (Release("1"), Release("44.20261001.3.0"))),)
    )
    found = measured(a_node("n", (0, "1")), policy=policy)
    assert [(each.version, each.due, each.counts.due) for each in found.releases] == [
        ("44.20261001.3.0", None, 0),
        ("1", None, 0),
    ]
    assert found.counts.share is None


def test_a_version_that_no_stream_has_is_no_proof() -> None:
    found = measured(a_node("n", (0, "1"), (20, "by-hand")))
    assert of(found, "2") == (0, 0, 1, 0)
    assert ("unknown-version", "by-hand is in no stream") in [
        (each.kind, each.detail) for each in found.exceptions[0].causes
    ]


def test_nodes_that_follow_no_stream_are_not_counted() -> None:
    assert measured(a_node("n", (0, "1"), pool="other")).nodes == 0


def test_a_quarter_has_what_was_due_in_it_as_it_stood_at_its_end() -> None:
    nodes = (a_node("in-time", (0, "1"), (20, "2")), a_node("late", (0, "1"), (100, "2"), (105, "3")))
    trend = {each.quarter: each.counts for each in measured(*nodes, name="2027Q1").trend}
    assert list(trend) == ["2026Q2", "2026Q3", "2026Q4", "2027Q1"]
    assert (trend["2026Q4"].in_time, trend["2026Q4"].overdue) == (1, 1)
    # In the next quarter release 3 is due: the second node has it in time, the first one lacks it.
    assert (trend["2027Q1"].due, trend["2027Q1"].in_time, trend["2027Q1"].overdue) == (2, 1, 1)


def test_an_exception_has_all_that_is_on_record() -> None:
    policy = Policy(
        pools=(Pool("workers", stream="stable", version="1"),),
        streams=(STREAM,),
        freezes=(Freeze("sale", day(38), day(45)), Freeze("before", day(1), day(9))),
    )
    node = a_node("n", (0, "1"))
    node.attempts.append(Attempt(day(30), "r-7", "2", "failed", "no new boot"))
    node.asked.append(day(29))
    (found,) = measured(node, policy=policy).exceptions
    assert [(each.kind, each.detail) for each in found.causes] == [
        ("pinned", "the policy pins pool workers to 1"),
        ("freeze", "freeze sale, 2026-11-08 00:00Z to 2026-11-15 00:00Z"),
        ("failed", "rollout r-7 to 2: no new boot"),
    ]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (None, "no rollout was started for the node since the release"),
        (50, "the first rollout for the node since the release was started 2026-11-20 00:00Z"),
    ],
)
def test_missing_rollout_is_a_cause(asked: float | None, words: str) -> None:
    node = a_node("n", (0, "1"))
    node.asked += [] if asked is None else [day(asked)]
    (found,) = measured(node).exceptions
    assert [(each.kind, each.detail) for each in found.causes] == [("no-rollout", words)]


def test_a_release_that_left_the_stream_stays_before_those_that_are_listed() -> None:
    def policy(*versions: str) -> Policy:
        return Policy(streams=(Stream("s", tuple(map(Release, versions))),))

    found = releases_by_stream([policy("1", "2"), policy("2", "3")])
    assert [each.version for each in found["s"]] == ["1", "2", "3"]
