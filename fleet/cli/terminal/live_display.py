"""A picture on a terminal that is drawn again and again: only lines that have changed are written, so nothing flickers,
and a slow connection has little to carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
WIPE_LINE, WIPE_BELOW = "\x1b[2K", "\x1b[0J"


class LiveDisplay:
    """Draws pictures over each other on the terminal of `screen`, from the cursor's line on. The last picture stays
    there at the end."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._lines: list[str] = []
        self._size = screen.size

    def __enter__(self) -> LiveDisplay:
        self._write(HIDE_CURSOR)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write(SHOW_CURSOR)

    def draw(self, picture: Text) -> None:
        """Draws `picture`, which is folded to the terminal's width. What does not fit into its height is left out,
        and a last line says so."""
        lines = self._rendered(picture)
        if self._size != self._screen.size:
            # The terminal has folded or cut the old lines, so their positions are unknown.
            self._size = self._screen.size
            self._write("\x1b[H\x1b[2J" + "".join(f"{line}\n" for line in lines))
        else:
            self._write("".join(changes(self._lines, lines)))
        self._lines = lines

    def _rendered(self, picture: Text) -> list[str]:
        with self._screen.capture() as captured:
            self._screen.print(picture, soft_wrap=True)
        lines = captured.get().splitlines()
        room = max(2, self._screen.height - 1)
        if len(lines) <= room:
            return lines
        return [*lines[: room - 1], f"... {len(lines) - room + 1} more lines: the terminal is too small"]

    def _write(self, text: str) -> None:
        if text:
            self._screen.file.write(text)
            self._screen.file.flush()


def changes(before: Sequence[str], lines: Sequence[str]) -> Iterator[str]:
    """Yields what to write, with the cursor below the last line of `before`, so that `lines` stand there and the
    cursor is below their last. Empty where they are the same."""
    at = len(before)
    for index, line in enumerate(lines):
        if index < len(before) and before[index] == line:
            continue
        yield _moved(at, index)
        yield f"{WIPE_LINE}{line}\n"
        at = index + 1
    yield _moved(at, len(lines))
    if len(before) > len(lines):
        yield WIPE_BELOW


def _moved(at: int, to: int) -> str:
    if at == to:
        return ""
    return f"\x1b[{at - to}A" if at > to else f"\x1b[{to - at}B"
