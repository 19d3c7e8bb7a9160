"""The view of exposure, now and at a past moment."""

from __future__ import annotations

from datetime import UTC, datetime

from fleet.cli.views.exposure import answers, cells
from fleet.core.exposure.exposure_report import ExposedNode, ExposureAnswer, ExposureFix, ExposureReport

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
