"""The report's page in a real browser."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec.structs import replace

from fleet.cli.report.page import page
from fleet.core.reporting.report import Hold, Report
from tests.unit.report.scenes import a_scene
from tests.web.chromium import Tab, a_tab, executable

T = TypeVar("T")

SHOWN = "[...document.querySelectorAll('table.runs tbody')].filter(body => !body.hidden).map(body => body.id)"
TYPE = """(() => {{ const field = document.getElementById('{field}');
    field.value = '{value}'; field.dispatchEvent(new Event('input')); }})()"""


@pytest.fixture(scope="module", autouse=True)
def browser() -> str:
    return executable()


@pytest.fixture(scope="module")
def report() -> Report:
    return a_scene(failures={"n-0009": "old-version"})


@pytest.fixture(scope="module")
def path(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(report, tmp_path_factory.mktemp("report"))


def written(report: Report, folder: Path) -> Path:
    path = folder / "report.html"
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
    assert " ".join(answer.split()) == (
        "23 of 24 nodes run 44.20261101.3.0, each proven by a new boot; 1 failed."
    )
    assert controls, "the script has not run"
    assert {url for url in requests if not url.startswith("data:")} == {path.as_uri()}
    assert messages == []


def test_filter_of_the_table_is_kept_in_the_address(path: Path) -> None:
    async def visit(tab: Tab) -> tuple[list[str], list[str], str, str]:
        await tab.value(TYPE.format(field="filter", value="N-0012"))
        by_name = await tab.value(SHOWN)
        await tab.value(TYPE.format(field="filter", value=""))
        await tab.value(TYPE.format(field="ending", value="failed"))
        message = await tab.value("document.getElementById('shown').value")
        return by_name, await tab.value(SHOWN), message, await tab.value("location.hash")

    by_name, failed, message, fragment = browse(path, visit)
    assert by_name == ["east/n-0012"]
    assert failed == ["east/n-0009"]
    assert (message, fragment) == ("1 of 24 nodes", "#ending=failed")


def test_address_with_a_filter_or_a_node_shows_just_that(path: Path) -> None:
    async def filtered(tab: Tab) -> list[str]:
        found: list[str] = await tab.value(SHOWN)
        return found

    async def opened(tab: Tab) -> bool:
        return bool(await tab.value("document.getElementById('east/n-0012').querySelector('details').open"))

    assert browse(path, filtered, "#filter=n-0009+rolled") == ["east/n-0009"]
    assert browse(path, opened, "#east/n-0012")


def test_table_is_sorted_by_number_up_and_down(path: Path, report: Report) -> None:
    async def visit(tab: Tab) -> tuple[list[str], list[str], str]:
        press = (
            "[...document.querySelectorAll('.runs thead button')].find(b => b.innerText == 'Took').click()"
        )
        await tab.value(press)
        up = await tab.value(SHOWN)
        await tab.value(press)
        sort = "document.querySelector('.runs [aria-sort]').getAttribute('aria-sort')"
        return up, await tab.value(SHOWN), await tab.value(sort)

    up, down, sort = browse(path, visit)
    seconds = {f"{run.cluster}/{run.node}": run.seconds or 0.0 for run in report.runs}
    assert [seconds[name] for name in up] == sorted(seconds.values())
    assert [seconds[name] for name in down] == sorted(seconds.values(), reverse=True)
    assert sort == "descending"


def test_bars_are_within_the_timeline_and_the_page_within_the_window(path: Path) -> None:
    async def visit(tab: Tab) -> tuple[int, int, bool]:
        outside = await tab.value("""[...document.querySelectorAll('.bars')].flatMap(svg => {
            const box = svg.getBoundingClientRect();
            return [...svg.querySelectorAll('a > rect')].filter(rect => {
                const bar = rect.getBoundingClientRect();
                return bar.left < box.left - 1 || bar.right > box.right + 1
                    || bar.top < box.top || bar.bottom > box.bottom;
            });
        }).length""")
        bars = await tab.value("document.querySelectorAll('.bars a > rect').length")
        await tab.ask(
            "Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True
        )
        fits = await tab.value("document.documentElement.scrollWidth <= innerWidth")
        return bars, outside, fits

    bars, outside, fits = browse(path, visit)
    assert bars > 24 * 4 and outside == 0
    assert fits


def test_page_works_without_scripts(path: Path) -> None:
    async def story() -> tuple[int, bool, str]:
        async with a_tab() as tab:
            await tab.ask("Emulation.setScriptExecutionDisabled", value=True)
            await tab.open(path)
            document = await tab.ask("DOM.getDocument", depth=-1)
            rows = await tab.ask(
                "DOM.querySelectorAll", nodeId=document["root"]["nodeId"], selector=".runs tbody"
            )
            controls = await tab.ask(
                "DOM.querySelector", nodeId=document["root"]["nodeId"], selector=".controls"
            )
            attributes = await tab.ask("DOM.getAttributes", nodeId=controls["nodeId"])
            return len(rows["nodeIds"]), "hidden" in attributes["attributes"], str(tab.messages)

    rows, hidden, _ = asyncio.run(story())
    assert rows == 24 and hidden, "what does nothing without scripts is not shown"


def test_page_prints_on_a_few_sheets_of_a4(path: Path) -> None:
    async def visit(tab: Tab) -> bytes:
        return await tab.printed()

    document = browse(path, visit)
    assert document.startswith(b"%PDF")
    assert 2 <= pages(document) <= 4
    ((width, height),) = {
        (round(float(w)), round(float(h)))
        for w, h in re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", document)
    }
    assert (width, height) == (595, 842)


def test_each_printed_page_of_the_timeline_has_its_axis_and_no_page_a_heading_alone(tmp_path: Path) -> None:
    async def visit(tab: Tab) -> bytes:
        return await tab.printed()

    document = browse(written(a_scene(nodes=80, deployments=16), tmp_path), visit)
    sheets = printed_words(document, tmp_path)
    rows = [len(re.findall(r"^\W*n-\d{4}$", sheet, re.MULTILINE)) for sheet in sheets]
    assert sum(rows) > 70 and sum(count > 0 for count in rows) > 1, "the timeline takes several sheets"
    for sheet, count in zip(sheets, rows, strict=True):
        assert not count or re.search(r"^\s*\d\d:\d\d(\s+\d\d:\d\d)+$", sheet, re.MULTILINE)
        assert len(sheet.split()) > 20


def test_heading_of_the_timeline_is_printed_on_the_page_of_its_axis(tmp_path: Path) -> None:
    """Some of these lengths of what stands before it leave room for the heading and not for the axis."""

    async def visit(tab: Tab) -> bytes:
        return await tab.printed()

    scene = a_scene()
    for count in range(5, 10):
        holds = tuple(
            Hold("east", f"k-{each}", "cordoned", f"cordoned {each}", "wait") for each in range(count)
        )
        document = browse(written(replace(scene, held=holds), tmp_path), visit)
        (sheet,) = [
            each for each in printed_words(document, tmp_path) if re.search(r"^\s*Timeline$", each, re.M)
        ]
        assert re.search(r"^\s*\d\d:\d\d(\s+\d\d:\d\d)+$", sheet.split("Timeline")[1], re.MULTILINE)


def test_long_names_push_no_result_off_the_paper(tmp_path: Path) -> None:
    async def visit(tab: Tab) -> bytes:
        return await tab.printed()

    scene = a_scene()
    runs = tuple(replace(run, node=f"{run.node}.{'x' * 63}.{'y' * 63}.{'z' * 63}") for run in scene.runs)
    document = browse(written(replace(scene, runs=runs), tmp_path), visit)
    arguments = "\n".join(printed_words(document, tmp_path))
    assert len(re.findall(r"\bboot [0-9a-f]{8} → [0-9a-f]{8}$", arguments, re.MULTILINE)) == len(runs)
    assert len(re.findall(r"\bdone$", arguments, re.MULTILINE)) >= len(runs)


def test_page_of_a_thousand_nodes_loads_in_seconds_and_prints_on_fewer_sheets_than_a_book(
    tmp_path: Path,
) -> None:
    async def visit(tab: Tab) -> tuple[float, int, bytes]:
        timing = "performance.getEntriesByType('navigation')[0].loadEventEnd"
        await tab.value(TYPE.format(field="filter", value="n-0512"))
        shown = len(await tab.value(SHOWN))
        await tab.value(TYPE.format(field="filter", value=""))
        return await tab.value(timing), shown, await tab.printed()

    milliseconds, shown, document = browse(written(a_scene(nodes=1000, deployments=200), tmp_path), visit)
    assert shown == 1
    assert milliseconds < 30_000
    assert 25 <= pages(document) <= 60


def printed_words(document: bytes, folder: Path) -> list[str]:
    """The text of each page, in its layout. Skips the test without poppler; on CI that is a failure."""
    program = shutil.which("pdftotext")
    if program is None:
        why = "no pdftotext here (Debian: poppler-utils)"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    (folder / "report.pdf").write_bytes(document)
    argv = [program, "-layout", str(folder / "report.pdf"), "-"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return [page for page in done.stdout.split("\f") if page.strip()]


def pages(document: bytes) -> int:
    return len(re.findall(rb"/Type ?/Page\b", document))
