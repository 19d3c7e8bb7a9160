"""A picture that is drawn again: what a terminal shows afterwards, and how little is written for it."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from fleet.app.wiring.refresh import refresh
from fleet.cli.terminal.live_display import LiveDisplay, changes
from tests.unit.app.homes import a_home

lines = st.lists(st.text("abc ", max_size=4), max_size=6)


class Terminal:
    """As much of one as a canvas uses: the cursor's line, and what stands on the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.at = 0

    def write(self, words: str) -> None:
        for number, way, rest in re.findall(r"\x1b\[(\d+)([ABKJ])|([^\x1b]+)", words):
            if way == "A":
                self.at -= int(number)
            elif way == "B":
                self.at += int(number)
            elif way == "K":
                self._put("")
            elif way == "J":
                del self.lines[self.at :]
            else:
                assert rest.endswith("\n")
                self._put(rest[:-1])
                self.at += 1
            assert self.at >= 0

    def _put(self, line: str) -> None:
        self.lines += [""] * (self.at + 1 - len(self.lines))
        self.lines[self.at] = line


@given(st.lists(lines, min_size=1, max_size=5))
def test_a_terminal_shows_the_last_picture(pictures: Sequence[list[str]]) -> None:
    terminal, before = Terminal(), list[str]()
    for picture in pictures:
        terminal.write("".join(changes(before, picture)))
        assert terminal.lines == picture
        assert terminal.at == len(picture)
        before = picture


@given(lines)
def test_nothing_is_written_for_what_is_the_same(picture: list[str]) -> None:
    assert "".join(changes(picture, picture)) == ""


def test_one_line_of_many_is_written_alone() -> None:
    before = [f"line {number}" for number in range(20)]
    after = [*before[:7], "another", *before[8:]]
    assert "".join(changes(before, after)) == "\x1b[13A\x1b[2Kanother\n\x1b[12B"


def a_screen(height: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=40, height=height)


def test_what_does_not_fit_is_said() -> None:
    screen = a_screen(5)
    with LiveDisplay(screen) as canvas:
        canvas.draw(Text("\n".join(f"line {number}" for number in range(9))))
    assert isinstance(screen.file, io.StringIO)
    shown = [each for each in screen.file.getvalue().split("\n") if "line" in each]
    assert len(shown) == 4 and "6 more lines" in shown[-1]


def test_a_terminal_of_another_size_is_drawn_anew() -> None:
    screen = a_screen(9)
    with LiveDisplay(screen) as canvas:
        canvas.draw(Text("one\ntwo"))
        screen.size = (30, 9)
        canvas.draw(Text("one\ntwo"))
    assert isinstance(screen.file, io.StringIO)
    assert screen.file.getvalue().count("one") == 2


def watching(home: Path, out: int) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "fleet.cli", "--home", str(home), "status", "--watch"]
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "30"}
    return subprocess.Popen(words, stdout=out, stderr=subprocess.PIPE, env=environ)


def read_until(source: int, enough: Callable[[str], bool]) -> str:
    """At most a minute; what was read then."""
    found = ""
    while not enough(found) and select.select([source], [], [], 60)[0]:
        try:
            found += os.read(source, 65536).decode()
        except OSError:
            break
    return found


def test_status_on_a_terminal_and_in_a_pipe_tells_again_what_has_changed(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    refresh(home)
    for make in (pty.openpty, os.pipe):
        home.policy_file.write_text(home.policy_file.read_text().replace("name: helpers", "name: workers"))
        source, out = make()
        process = watching(home.path, out)
        os.close(out)
        try:
            first = read_until(source, lambda found: "workers" in found)
            assert "workers" in first
            home.policy_file.write_text(
                home.policy_file.read_text().replace("name: workers", "name: helpers")
            )
            after = read_until(source, lambda found: "helpers" in found)
            assert "helpers" in after and "Traceback" not in first + after
        finally:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
            os.close(source)
        assert process.returncode == 130, errors
