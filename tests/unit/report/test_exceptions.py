"""Exceptions that two users decided on: when they are in force, and how compliance counts them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.core.approval.exceptions import Exceptions, PatchException, in_force_throughout
from fleet.core.records.identity import Identity
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.core.reporting.period.compliance import Compliance
from fleet.core.reporting.period.measure import measure
from fleet.core.reporting.period.span import quarter
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import ExceptionGranted, ExceptionRequested, ExceptionRevoked
from tests.unit.report.test_compliance import LATER, POLICY, RULE, a_node, day

BASIS = PatchException(
    id="x-1",
    nodes=(),
    pools=("workers",),
    version="2",
    until=day(80),
    owner="storage",
    reason="the driver does not run on 2",
    author=Identity("ada"),
    requested=day(1),
    approver=Identity("eve"),
    granted=day(2),
)
"""Release 2 is due on day 40; the quarter ends on day 92."""


def an_exception(**changes: Any) -> PatchException:
    return replace(BASIS, **changes)


def measured(*exceptions: PatchException, now: datetime = LATER, nodes: Any = None) -> Compliance:
    found = nodes or [a_node("n-1", (0, "1"))]
    return measure(found, [POLICY], quarter("2026Q4"), RULE, now, exceptions)


def state(found: Compliance) -> str:
    (exception,) = found.exceptions
    return exception.state


def test_an_excepted_node_is_due_and_not_in_time() -> None:
    found = measured(an_exception(), now=day(60), nodes=[a_node("n-1", (0, "1")), a_node("n-2", (0, "2"))])
    assert (found.counts.due, found.counts.in_time, found.counts.excepted, found.counts.overdue) == (
        2,
        1,
        1,
        0,
    )
    assert found.counts.share == 0.5
    assert found.exposed_at_end == 1
    (node,) = found.exceptions
    assert (node.state, node.met, node.granted, node.days_over) == ("excepted", None, ("x-1",), 20.0)
    (granted,) = found.granted
    assert (granted.author, granted.approver, granted.owner, granted.excepted) == ("ada", "eve", "storage", 1)
    assert (granted.state, granted.lapses_in_days) == ("in force", 20.0)


def test_when_it_has_lapsed_the_node_is_overdue() -> None:
    found = measured(an_exception())
    assert (state(found), found.counts.overdue, found.counts.excepted) == ("overdue", 1, 0)
    (granted,) = found.granted
    assert (granted.state, granted.lapses_in_days, granted.excepted) == ("lapsed", None, 0)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, "excepted"),
        ({"version": ""}, "excepted"),
        ({"version": "3"}, "overdue"),
        ({"pools": (), "nodes": ("east/n-1",)}, "excepted"),
        ({"pools": ("edge",), "nodes": ("east/n-2",)}, "overdue"),
        ({"granted": None, "approver": None}, "overdue"),
        ({"granted": day(40)}, "excepted"),
        ({"granted": day(41)}, "overdue"),
        ({"revoked": day(50)}, "overdue"),
        ({"until": day(61)}, "excepted"),
        ({"until": day(59)}, "overdue"),
    ],
)
def test_it_must_cover_the_node_and_the_release_without_a_break(changes: Any, wanted: str) -> None:
    found = measured(an_exception(**changes), now=day(60))
    assert state(found) == wanted
    assert measured(now=day(60)).counts.due == found.counts.due


def test_a_node_that_was_patched_while_it_was_in_force_is_excepted_and_not_late() -> None:
    late = [a_node("n-1", (0, "1"), (60, "2"))]
    assert state(measured(an_exception(), nodes=late)) == "excepted"
    assert state(measured(an_exception(until=day(59)), nodes=late)) == "late"


def test_one_may_follow_the_other() -> None:
    first, second = an_exception(until=day(50)), an_exception(id="x-2", granted=day(49), until=day(70))
    assert state(measured(first, second, now=day(60))) == "excepted"
    gap = replace(second, granted=day(51))
    assert state(measured(first, gap, now=day(60))) == "overdue"


@given(
    spans=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=6),
    begin=st.integers(0, 20),
    length=st.integers(1, 20),
)
def test_every_moment_counts(spans: list[tuple[int, int]], begin: int, length: int) -> None:
    exceptions = [an_exception(granted=day(first), until=day(last)) for first, last in spans]
    hours = range(begin * 24, (begin + length) * 24)
    each = all(any(first * 24 <= hour < last * 24 for first, last in spans) for hour in hours)
    assert in_force_throughout(exceptions, day(begin), day(begin + length)) is each


def entry(record: JournalRecord, number: int) -> JournalEntry:
    return JournalEntry(number, day(number), "ada@desk", 0, record, "", "")


def told(*commands: ExceptionRequested | ExceptionGranted | ExceptionRevoked) -> PatchException:
    found = Exceptions()
    found.apply(entry(to_record(command), number) for number, command in enumerate(commands, start=1))
    return found["x-1"]


ASKED = ExceptionRequested(
    id="x-1", pools=("workers",), until=day(80), owner="storage", by=Identity("ada"), reason="why"
)


def test_the_journal_says_what_became_of_it() -> None:
    granted = ExceptionGranted(id="x-1", by=Identity("eve"))
    revoked = ExceptionRevoked(id="x-1", by=Identity("bob"), reason="the driver was fixed")
    assert told(ASKED).state(day(3)) == "requested"
    assert told(ASKED, granted).state(day(3)) == "in force"
    assert told(ASKED, granted).state(day(80)) == "lapsed"
    over = told(ASKED, granted, revoked)
    assert (over.state(day(3)), over.span, over.revoked_why) == (
        "revoked",
        (day(2), day(3)),
        "the driver was fixed",
    )
    assert told(ASKED, revoked).span is None


def test_nobody_grants_their_own() -> None:
    own = ExceptionGranted(id="x-1", by=Identity("ada", "token", "another key"))
    assert told(ASKED, own).approver is None
    assert told(ASKED, own, ExceptionGranted(id="x-1", by=Identity("eve"))).granted == day(3)


def test_before_its_grant_it_excepts_nothing() -> None:
    found = told(ASKED, ExceptionGranted(id="x-1", by=Identity("eve")))
    assert found.state(day(2) - timedelta(seconds=1)) == "requested"
