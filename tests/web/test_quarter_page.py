"""The report of the demo's quarter in a real browser: a stranger's questions are answered by what can be read there."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleet.app.reporting.pdf import printed
from fleet.app.reporting.period import report_of_span
from fleet.cli.report.period_page import page
from fleet.core.reporting.period.deadline import deadline
from fleet.core.reporting.period.span import quarter
from tests.quarter import played
from tests.web.chromium import a_tab, executable

UNTIL = datetime(2026, 10, 18, tzinfo=UTC)
"""By then a release is on all workers, and one plan was refused and then approved."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    executable()
    folder = tmp_path_factory.mktemp("quarter")
    story = played(folder / "home", UNTIL)
    made = report_of_span(story.home, quarter("2026Q4"), (), deadline("30", "release"))
    (folder / "report.html").write_text(page(made), encoding="utf-8")
    return folder / "report.html"


def test_stranger_finds_who_changed_what_when_why_and_by_whose_word(path: Path) -> None:
    async def read() -> tuple[list[list[str]], str, bytes]:
        async with a_tab() as tab:
            await tab.open(path)
            rows = await tab.value(
                "[...document.querySelectorAll('.changes tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
            )
            answer = await tab.value("document.getElementById('answer').innerText")
            shot = await tab.ask("Page.captureScreenshot", format="png")
            return rows, answer, b64decode(shot["data"])

    rows, answer, shot = asyncio.run(read())

    when, what, why, by, approved, result = rows[0]
    assert re.fullmatch(r"8 Oct \d\d:\d\d", when)
    assert "18 nodes of workers to 44.20261005.3.0" in what and "upgrade.delay is 3d" in why
    assert (by, approved) == ("the standing policy", "its rule")
    assert "17 proven by a new boot" in result
    refused = next(row for row in rows if row[3] == "refused by ben")
    assert "database migration" in refused[2] and "nothing changed" in refused[5]
    control = next(row for row in rows if "of control to" in row[1])
    assert (
        control[3] == "ada" and control[4].startswith("ben 15 Oct") and "9 proven by a new boot" in control[5]
    )
    assert "in time" in answer
    # A blank picture of this size has less than 10 kB.
    assert len(shot) > 20_000


def test_it_is_printed_with_the_same_table(path: Path, tmp_path: Path) -> None:
    content = printed(path.read_text(encoding="utf-8"))
    assert content.startswith(b"%PDF-") and content.count(b"/Type /Page") >= 2
