"""The report as one page: complete, escaped, self-contained, readable."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from msgspec.structs import replace

from fleet.cli.report.page import page
from fleet.core.reporting.report import Report, Verdict
from fleet.core.reporting.reporter import make_report
from fleet.core.rollout.action import Result
from fleet.core.rollout.steps import StepResult
from fleet.lab.simulation.builders import START
from tests.unit.report.journal_builder import JournalBuilder, a_goal
from tests.unit.report.scenes import a_scene

VOID = {"meta", "link", "input"}


class Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def report() -> Report:
    return a_scene(failures={"n-0009": "old-version"})


@pytest.fixture(scope="module")
def reader(report: Report) -> Reader:
    return Reader(page(report))


def test_page_has_the_answer_who_when_what_and_the_proof(report: Report, reader: Reader) -> None:
    message = " ".join(" ".join(reader.words).split())
    assert "23 of 24 nodes run 44.20261101.3.0, each proven by a new boot; 1 failed." in message
    assert "ada@desk started it Mon 2 Nov 2026, 09:00 UTC" in message
    assert "journal verified: 564 entries, the chain is intact" in message
    for run in report.runs:
        assert run.proof is None or run.proof.boot_id_after in message
    assert report.journal.last_hash in message


def test_every_element_is_closed_and_every_id_is_there_once(reader: Reader) -> None:
    assert not reader.open and not reader.wrong
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"][1:] for attributes in reader.all("a")}
    assert links <= set(ids)


def test_page_loads_nothing_and_its_policy_forbids_it(report: Report, reader: Reader) -> None:
    for tag, attributes in reader.elements:
        assert "src" not in attributes and "srcset" not in attributes and "style" not in attributes, tag
        assert not any(name.startswith("on") for name in attributes), tag
        if "href" in attributes:
            assert attributes["href"].startswith("#") or attributes["href"] == "data:,"
    assert not re.search(r"@import|https?:", page(report))
    (policy,) = [each["content"] for each in reader.all("meta") if "http-equiv" in each]
    assert policy.startswith("default-src 'none'")


def test_text_from_outside_is_escaped() -> None:
    evil = "</title><script>alert(1)</script><b onclick='x'>"
    journal = JournalBuilder(a_goal("n-1", pool="workers", zone=evil)).send("pause", by=evil).begin("n-1")
    journal.turn("n-1", StepResult.DONE).evict("n-1", evil, Result.REFUSED, message=evil)
    journal.turn("n-1", StepResult.FAILED, why=evil).decide("halt", why=evil)
    report = make_report("r-1", journal.entries, START, Verdict(False, 1, evil))
    reader = Reader(page(replace(report, rollout=evil)))
    assert len(reader.all("script")) == 1 and not reader.wrong
    assert all("onclick" not in attributes for _, attributes in reader.elements)
    assert evil in "".join(reader.words)


def test_tables_have_headers_with_a_scope_and_charts_have_descriptions(reader: Reader) -> None:
    assert all(attributes.get("scope") in ("col", "row") for attributes in reader.all("th"))
    assert all(
        attributes.get("aria-label") for attributes in reader.all("svg") if attributes.get("role") == "img"
    )
    assert reader.all("html")[0]["lang"] == "en"


def test_journal_is_complete_at_the_end(report: Report, reader: Reader) -> None:
    lines = [
        line
        for message in reader.words
        for line in message.splitlines()
        if re.match(r" +\d+  \d\d:\d\d", line)
    ]
    assert [int(line.split()[0]) for line in lines] == [entry.seq for entry in report.entries]


@pytest.mark.parametrize("empty", [True, False])
def test_rollout_that_has_just_begun_has_a_page(empty: bool) -> None:
    goals = [] if empty else [a_goal("n-1")]
    text = page(make_report("r-1", JournalBuilder(*goals).entries, START, Verdict()))
    assert not Reader(text).wrong


def luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """As WCAG 2 computes it."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_text_and_bars_have_enough_contrast(theme: str) -> None:
    style = (files("fleet.cli.report") / "report.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    light, dark, printed = (dict(re.findall(r"--([\w-]+): (#\w{6});", block)) for block in blocks)
    colours = {"light": light, "dark": light | dark, "print": light | printed}[theme]
    for text in ("ink", "quiet", "link", "good", "open", "bad"):
        assert contrast(colours[text], colours["paper"]) >= 4.5, text
    for mood in ("good", "open", "bad"):
        assert contrast(colours[mood], colours[f"{mood}-soft"]) >= 4.5, mood
    for step in ("stage", "cordon", "drain", "reboot", "verify", "soak", "return", "failed"):
        assert contrast(colours[step], colours["paper"]) >= 3, step
        assert contrast(colours[step], colours["window"]) >= 3, step
