"""The views of drift and of orphans."""

from __future__ import annotations

from datetime import UTC, datetime

from fleet.cli.views.drift import ORPHANS_SHOWN, drift, orphans
from fleet.core.drift.drift_report import DriftReport, OrphanFinding, OrphanKind, OrphanReport

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def findings(kind: OrphanKind, count: int) -> tuple[OrphanFinding, ...]:
    return tuple(
        OrphanFinding("east", "fra", f"n-{number}", kind, None, "is odd", "look at it")
        for number in range(count)
    )


def test_thousands_of_findings_of_one_kind_are_shown_in_part_and_counted() -> None:
    report = OrphanReport(NOW, (*findings("only-in-source", 10_000), *findings("renamed", 2)))
    shown = orphans(report).plain
    assert shown.count("look at it") == ORPHANS_SHOWN + 2
    assert "and 9,990 more" in shown
    assert shown.endswith("10,002 findings: 10,000 only-in-source, 2 renamed.")


def test_few_findings_are_shown_whole() -> None:
    shown = orphans(OrphanReport(NOW, findings("renamed", ORPHANS_SHOWN))).plain
    assert shown.count("look at it") == ORPHANS_SHOWN
    assert "more" not in shown


def test_fleet_without_nodes_is_not_called_free_of_drift() -> None:
    shown = drift(DriftReport(NOW, 0, (), (), 0)).plain
    assert "No node is known" in shown
    assert "drifts" not in shown
