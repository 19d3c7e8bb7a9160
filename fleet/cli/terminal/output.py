"""Prints results on stdout, and progress and warnings on stderr. JSON and CSV are alone on stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from time import monotonic
from typing import TYPE_CHECKING, Any, TextIO

from fleet.cli.terminal.program import text_as_typed
from fleet.core.text.visible import visible, visible_json, visible_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


FORMULA = "=+-@"
SELDOM = 10.0
"""Seconds between two lines of progress in a pipe."""


def console(*, stderr: bool = False) -> Console:
    """Returns the console: without colour in a pipe and under NO_COLOR. Lines are never cut or folded, since a
    terminal folds them itself."""
    from fleet.cli.terminal.screen import Screen

    return Screen(stderr=stderr, soft_wrap=True, highlight=False, emoji=False, markup=False)


def show(result: Text | str) -> None:
    """Prints a result: on a terminal folded between words, in a pipe unchanged."""
    from rich.text import Text

    from fleet.cli.terminal.visible import visible_text

    # Before it is folded: what is written out takes more room.
    text = text_as_typed(visible_text(result if isinstance(result, Text) else Text(result)))
    if _is_plain():
        print(text.plain, flush=True)
        return
    from fleet.cli.terminal.columns import folded

    screen = console()
    screen.print(folded(text, screen.width) if screen.is_terminal else text)


def _is_plain() -> bool:
    """Returns whether stdout is a pipe or a file, and no variable of the environment makes rich take it for a terminal:
    then no console is needed."""
    return not sys.stdout.isatty() and not os.environ.keys() & {"FORCE_COLOR", "TTY_COMPATIBLE"}


def note(message: str, style: str = "") -> None:
    """Prints progress, a warning or the next step on stderr. Folded between words on a terminal."""
    screen = console(stderr=True)
    screen.print(message, style=style or None, soft_wrap=not screen.is_terminal)


def warn(message: str) -> None:
    note(f"warning: {message}", "yellow")


@contextmanager
def waiting() -> Iterator[Callable[[str], None]]:
    """Yields what shows on stderr how far something is that takes a while: on a terminal in one line that is cleared
    at the end, in a pipe a line now and then."""
    screen = console(stderr=True)
    if screen.is_terminal and not screen.is_dumb_terminal:
        from rich.text import Text

        with screen.status("") as status:
            yield lambda message: status.update(Text(visible(message)))
        return
    shown_at = monotonic()

    def tell(message: str) -> None:
        nonlocal shown_at
        if monotonic() - shown_at >= SELDOM:
            note(f"{message} ...")
            shown_at = monotonic()

    yield tell


@contextmanager
def telling() -> Iterator[tuple[Callable[[str], None], Callable[[str], None]]]:
    """Yields what prints a line of a story, and what shows how far the story is: on a terminal below its lines, in a
    pipe as `waiting` does."""
    screen = console()
    if screen.is_terminal and not screen.is_dumb_terminal:
        from rich.text import Text

        with screen.status("") as status:
            # One console for both, which keeps the progress below what is printed.
            yield (
                lambda line: screen.print(Text(visible_lines(line))),
                lambda message: status.update(Text(visible(message))),
            )
        return
    with waiting() as progress:
        yield show, progress


def show_json(result: Any) -> None:
    """Prints one JSON document, indented. `result` is a struct, or what msgspec can encode."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(result), indent=2)
    _for_programs().write(visible_json(text.decode()) + "\n")


def show_document(text: str) -> None:
    """Prints a document for programs, such as YAML, as it is."""
    _for_programs().write(text)


def show_csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints CSV, quoted as in RFC 4180, with a header; lines end as lines do here. A text that a spreadsheet would
    take for a formula gets an apostrophe in front (OWASP, CSV injection)."""
    import csv

    writer = csv.writer(_for_programs(), lineterminator="\n")
    writer.writerow(head)
    writer.writerows([csv_cell(value) for value in row] for row in rows)


def _for_programs() -> TextIO:
    """Returns stdout, in UTF-8 from now on whatever the locale is: so programs expect JSON (RFC 8259, section 8.1) and
    YAML, and an escape of another kind would be another text to them."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    return sys.stdout


def csv_cell(value: object) -> object:
    """Returns the value for a cell of a CSV file: a text that a spreadsheet would take for a formula gets an apostrophe
    in front."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if len(text) > 1 and text[0] in FORMULA else text


def can_draw() -> bool:
    """Returns whether stdout is a terminal that can be drawn on."""
    return console().is_terminal and not console().is_dumb_terminal
