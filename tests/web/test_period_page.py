"""The page of a span's report in a real browser, and printed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec.structs import replace

from fleet.app.reporting.pdf import printed
from fleet.cli.report.period_page import page
from fleet.core.policy.policy import Policy
from fleet.core.policy.times.freeze import Freeze
from fleet.core.releases.release import Stream
from fleet.core.reporting.period.deadline import PCI_DSS
from fleet.core.reporting.period.history import FleetHistory
from fleet.core.reporting.period.measure import measure
from fleet.core.reporting.period.period_report import PeriodJournal, PeriodReport, UnseenParts
from fleet.core.reporting.period.period_reporter import period_report, report_of_rollout
from fleet.core.reporting.period.span import quarter
from fleet.core.reporting.report import Verdict
from fleet.lab.simulation.builders import NEW, OLD, START
from tests.unit.report.scenes import LIMIT, a_mixed_policy, a_scene
from tests.web.chromium import Tab, a_tab, executable

T = TypeVar("T")
QUARTER = quarter("2026Q4")
LATER = START + timedelta(days=120)


@pytest.fixture(scope="module", autouse=True)
def browser() -> str:
    return executable()


@pytest.fixture(scope="module")
def report() -> PeriodReport:
    """One rollout of 24 nodes, one of which failed, and a freeze."""
    entries = a_scene(failures={"n-0009": "old-version"}).entries
    mixed = a_mixed_policy(LIMIT, ())
    dated = replace(NEW, released=START - timedelta(days=1))
    freeze = Freeze("year-end", START + timedelta(days=20), START + timedelta(days=40))
    policy = Policy(pools=mixed.pools, streams=(Stream("stable", (OLD, dated)),), freezes=(freeze,))
    history = FleetHistory(QUARTER.end)
    history.apply(entries)
    rollout, _ = report_of_rollout("r-1", entries, QUARTER, LATER, ())
    found = measure(list(history.nodes.values()), [policy], QUARTER, PCI_DSS, LATER)
    journal = PeriodJournal(len(entries), entries[-1].seq, entries[-1].hash, Verdict(True, len(entries)))
    return period_report(QUARTER, LATER, (), [(rollout, policy)], found, (), UnseenParts(), journal)


@pytest.fixture(scope="module")
def path(report: PeriodReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("period") / "report.html"
    path.write_text(page(report), encoding="utf-8")
    return path


def browse(path: Path, visit: Callable[[Tab], Awaitable[T]], fragment: str = "") -> T:
    async def story() -> T:
        async with a_tab() as tab:
            await tab.open(path, fragment)
            return await visit(tab)

    return asyncio.run(story())


def test_page_shows_the_answer_without_requests_or_console_errors(path: Path) -> None:
    async def visit(tab: Tab) -> tuple[str, bool, list[str], list[str]]:
        answer = await tab.value("document.getElementById('answer').innerText")
        controls = await tab.value("document.querySelector('.controls').checkVisibility()")
        return answer, controls, tab.requests, tab.messages

    answer, controls, requests, messages = browse(path, visit)
    assert " ".join(answer.split()) == "95.8% of 24 node patches due in 2026Q4 were in time, 1 overdue."
    assert controls, "the script has not run"
    assert {url for url in requests if not url.startswith("data:")} == {path.as_uri()}
    assert messages == []


def test_link_of_a_failure_opens_the_run_of_its_rollout(path: Path) -> None:
    async def visit(tab: Tab) -> bool:
        opened: bool = await tab.value(
            "document.getElementById('r-1/east/n-0009').querySelector('details').open"
        )
        return opened

    assert browse(path, visit, "#r-1/east/n-0009")


def test_nothing_is_wider_than_a_small_screen(path: Path) -> None:
    async def visit(tab: Tab) -> int:
        await tab.ask(
            "Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True
        )
        width: int = await tab.value("document.documentElement.scrollWidth")
        return width

    assert browse(path, visit) <= 390


def test_folded_exceptions_are_on_paper(path: Path) -> None:
    async def visit(tab: Tab) -> bool:
        await tab.ask("Emulation.setEmulatedMedia", media="print")
        folded = "[...document.querySelectorAll('#exceptions details')]"
        await tab.value(f"{folded}.forEach(each => each.open = false)")
        shown: bool = await tab.value(f"{folded}.every(each => each.querySelector('li').checkVisibility())")
        return shown

    assert browse(path, visit)


def test_pdf_is_a4_and_has_every_node(report: PeriodReport, path: Path) -> None:
    content = printed(page(report))
    assert content.startswith(b"%PDF-")
    boxes = {
        tuple(round(float(number)) for number in found.split()[2:])
        for found in re.findall(rb"/MediaBox\s*\[([^\]]*)\]", content)
    }
    assert boxes == {(595, 842)}
