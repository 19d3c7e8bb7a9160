"""The view of exposure, now and at a past moment."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace
from rich.text import Text

from fleet.cli.views import exposure as view
from fleet.cli.views.exposure import cells
from fleet.core.exposure.exposure_report import (
    AlikeAnswer,
    AlikeReport,
    ExposedNode,
    ExposedNodes,
    ExposureAnswer,
    ExposureFix,
    ExposureReport,
)

NOW = datetime(2026, 11, 30, tzinfo=UTC)
NODE = ExposedNode(
    cluster="east",
    site="fra",
    pool="workers",
    node="n-1",
    os="Some OS 1.0",
    version="1.0",
    kernel="6.1.1",
    digest="",
    state="affected",
    reason="version",
    message="kernel 6.1.1",
    fix=ExposureFix("release", "1.1"),
)
COUNTS = {"affected": 1, "fixed": 0, "not_affected": 0, "unknown": 0}
REPORT = ExposureReport(NOW, (ExposureAnswer("kernel<6.2", "", (), None, "", "", COUNTS, (NODE,)),))


def answers(report: ExposureReport, past: bool = False) -> Text:
    """Returns the answers, as they are shown."""
    alike = (
        AlikeAnswer(
            replace(answer, nodes=()), tuple(ExposedNodes(node, (node.node,)) for node in answer.nodes)
        )
        for answer in report.answers
    )
    return view.answers(AlikeReport(report.at, tuple(alike)), past)


def test_fix_that_nothing_brings_is_not_planned() -> None:
    shown = answers(REPORT).plain
    assert "1.1, not planned" in shown
    assert "-> fleet plan --pool workers --to 1.1" in shown


def test_of_a_past_moment_it_is_not_known_what_was_planned() -> None:
    shown = answers(REPORT, past=True).plain
    assert "1.1" in shown
    assert "planned" not in shown
    assert "->" not in shown
    head, rows = cells(REPORT, past=True)
    assert [row[list(head).index("fix")] for row in rows] == ["1.1"]


def test_fleet_without_nodes_is_not_called_safe() -> None:
    nobody = ExposureAnswer("kernel<6.2", "", (), None, "", "", dict.fromkeys(COUNTS, 0), ())
    shown = answers(ExposureReport(NOW, (nobody,))).plain
    assert "no node is known" in shown
    assert "0 of 0" not in shown


def test_advisory_adds_no_lines_to_the_answer() -> None:
    unknown = replace(NODE, state="unknown", fix=None, message="unclear\n0 of 1 node affected")
    (answer,) = REPORT.answers
    odd = replace(answer, title="a title\n0 of 1 node affected", nodes=(NODE, unknown))
    lines = answers(replace(REPORT, answers=(odd,))).plain.splitlines()
    assert "0 of 1 node affected" not in lines
    _, rows = cells(replace(REPORT, answers=(odd,)))
    assert not any("\n" in str(cell) for row in rows for cell in row)


def test_withdrawn_advisory_is_named_as_such() -> None:
    (answer,) = REPORT.answers
    withdrawn = replace(
        answer,
        counts={**COUNTS, "affected": 0, "not_affected": 1},
        nodes=(replace(NODE, state="not_affected", reason="withdrawn", fix=None),),
    )
    assert "withdrawn by its publisher" in answers(replace(REPORT, answers=(withdrawn,))).plain
    assert "withdrawn" not in answers(REPORT).plain
