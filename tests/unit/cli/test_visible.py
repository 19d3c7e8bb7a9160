"""What comes from clusters and hosts is shown as text: it moves no cursor, changes no colour, begins no line, no formula."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from fleet.cli.report.page import page
from fleet.cli.terminal.columns import columns
from fleet.cli.terminal.live_display import LiveDisplay
from fleet.cli.terminal.output import console, note, show, show_csv, show_json
from fleet.cli.terminal.screen import Screen
from fleet.cli.terminal.visible import visible_text
from fleet.core.text.visible import visible, visible_json, visible_lines
from fleet.system import logs
from fleet.system.logs import Lines
from tests.unit.report.scenes import a_scene

ODD = {
    "an escape sequence": "n-1\x1b[2J\x1b[31m",
    "a carriage return": "n-1\rn-2 done",
    "a bell and a backspace": "n-1\x07\x08",
    "a C1 control": "n-1\x9b31m",
    "a right-to-left override": "n-1\u202e3-n",
    "an isolate": "n-1\u2066\u2069",
    "a zero-width joiner": "n\u200d-1",
    "a line separator": "n-1\u2028n-2 done",
    "a tag character": "n-1\U000e0041",
    "a lone surrogate": "n-1\udc80",
}


@pytest.mark.parametrize("name", ODD)
def test_control_characters_reach_no_terminal_and_no_pipe(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = ODD[name]
    show(odd)
    show(columns(("NODE",), [(odd,)]))
    show(Text(odd, "bold"))
    note(odd)
    if "\udc80" not in odd:
        show_csv(("NODE",), [(odd,)])
        show_json({"node": odd})
    captured = capsys.readouterr()
    for arguments in (captured.out, captured.err):
        assert all(each.isprintable() or each == "\n" for each in arguments)
        assert "n-1" in arguments or "n\\u200d-1" in arguments


def test_line_feed_in_a_cell_begins_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(columns(("NODE", "STATE"), [("n-1\nn-2", "done")]))
    assert capsys.readouterr().out.splitlines()[1:] == ["n-1\\nn-2  done"]


def test_frame_on_a_terminal_has_no_foreign_escape_sequences() -> None:
    file = io.StringIO()
    screen = Screen(file=file, force_terminal=True, width=80, height=24, color_system=None)
    with LiveDisplay(screen) as canvas:
        canvas.draw(Text("n-1\x1b]0;owned\x07"))
    assert "\x1b]" not in file.getvalue() and "\x07" not in file.getvalue()
    assert "n-1\\x1b]0;owned" in file.getvalue()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1"])
def test_cell_that_a_spreadsheet_would_compute_is_text(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_csv(("VERSION", "NODES"), [(text, -1)])
    row = capsys.readouterr().out.splitlines()[1]
    assert row.startswith(("'", "\\")) and row.endswith(",-1")


def test_placeholders_and_numbers_are_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    show_csv(("VERSION", "NODES"), [("-", 3), ("44.2", -3)])
    assert capsys.readouterr().out.splitlines()[1:] == ["-,3", "44.2,-3"]


def test_report_page_escapes_control_characters() -> None:
    from msgspec.structs import replace

    report = a_scene()
    run = replace(report.runs[0], why="\u202e\x1b[0mgood")
    text = page(replace(report, by="ada\u202e@desk", runs=(run, *report.runs[1:])))
    assert "ada\\u202e@desk" in text
    assert all(each.isprintable() or each in "\n\t" for each in text)


def test_log_line_of_an_agent_is_one_line() -> None:
    record = logging.LogRecord("fleet", logging.INFO, "", 0, "%s", ("done\n2026 ERROR forged \x1b[0m",), None)
    assert Lines().format(record).endswith("INFO done\\n2026 ERROR forged \\x1b[0m")


def test_logged_traceback_shows_the_errors_message_escaped() -> None:
    try:
        raise ValueError("n-1\x1b[2J\u202e\nsecond")
    except ValueError:
        record = logging.LogRecord("fleet", logging.ERROR, "", 0, "why", (), sys.exc_info())
    lines = Lines().format(record).splitlines()
    assert lines[-2:] == ["ValueError: n-1\\x1b[2J\\u202e", "second"]


def test_log_lines_of_libraries_are_escaped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command begins with this; pytest's own handlers are out of the way."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logs.begin("text", "warning")
    logging.getLogger("asyncio").error("gone\x1b[2J\n2026 ERROR forged")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("ERROR gone\\x1b[2J\\n2026 ERROR forged")


@given(st.text())
def test_visible_text_is_unchanged(text: str) -> None:
    assert visible(text).isprintable()
    assert all(each.isprintable() or each in "\n\t" for each in visible_lines(text))
    if text.isprintable():
        assert visible(text) == visible_lines(text) == text


@given(st.text(st.characters(codec="utf-8")))
def test_json_has_the_same_text(text: str) -> None:
    reported = visible_json(json.dumps({"a": text}, ensure_ascii=False))
    assert json.loads(reported) == {"a": text}
    assert all(each.isprintable() or each in "\n\t" for each in reported)


@given(st.text())
def test_styles_stay_with_their_text(text: str) -> None:
    shown = visible_text(Text.assemble(("left", "red"), text, ("right", "blue")))
    spans = {shown.plain[span.start : span.end] for span in shown.spans if span.style in ("red", "blue")}
    assert {"left", "right"} <= spans


def test_every_view_is_covered() -> None:
    assert isinstance(console(), Screen) and isinstance(console(stderr=True), Screen)
