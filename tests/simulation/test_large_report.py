"""The report of a large rollout."""

from __future__ import annotations

from fleet.cli.report.page import page
from tests.unit.report.scenes import a_scene


def test_report_of_a_thousand_nodes_fits_into_a_mail() -> None:
    text = page(a_scene(nodes=1000, deployments=300))
    assert 1_000_000 < len(text.encode()) < 6_000_000
    assert text.count("<tbody id=") == 1000
