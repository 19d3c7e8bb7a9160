"""A picture that is drawn again: what a terminal shows afterwards, and how little is written for it."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from fleet.cli.terminal.live_display import LiveDisplay, changes

lines = st.lists(st.text("abc ", max_size=4), max_size=6)


class Terminal:
    """As much of one as a canvas uses: the cursor's line, and what stands on the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.at = 0

    def write(self, arguments: str) -> None:
        for number, way, rest in re.findall(r"\x1b\[(\d+)([ABKJ])|([^\x1b]+)", arguments):
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
def test_terminal_shows_the_last_frame(pictures: Sequence[list[str]]) -> None:
    terminal, before = Terminal(), list[str]()
    for picture in pictures:
        terminal.write("".join(changes(before, picture)))
        assert terminal.lines == picture
        assert terminal.at == len(picture)
        before = picture


@given(lines)
def test_unchanged_frame_writes_nothing(picture: list[str]) -> None:
    assert "".join(changes(picture, picture)) == ""


def test_changed_line_is_written_alone() -> None:
    before = [f"line {number}" for number in range(20)]
    after = [*before[:7], "another", *before[8:]]
    assert "".join(changes(before, after)) == "\x1b[13A\x1b[2Kanother\n\x1b[12B"


def a_screen(height: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=40, height=height)


def test_lines_that_do_not_fit_are_counted() -> None:
    screen = a_screen(5)
    with LiveDisplay(screen) as canvas:
        canvas.draw(Text("\n".join(f"line {number}" for number in range(9))))
    assert isinstance(screen.file, io.StringIO)
    shown = [each for each in screen.file.getvalue().split("\n") if "line" in each]
    assert len(shown) == 4 and "6 more lines" in shown[-1]


def test_resized_terminal_is_drawn_again() -> None:
    screen = a_screen(9)
    with LiveDisplay(screen) as canvas:
        canvas.draw(Text("one\ntwo"))
        screen.size = (30, 9)
        canvas.draw(Text("one\ntwo"))
    assert isinstance(screen.file, io.StringIO)
    assert screen.file.getvalue().count("one") == 2
