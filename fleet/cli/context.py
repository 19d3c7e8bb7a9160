"""The home that a command works on, a repeated display, and options that several commands share."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fleet.app.wiring.home import Home

if TYPE_CHECKING:
    from rich.text import Text


Format = Annotated[
    Literal["text", "json"],
    typer.Option("--output", "-o", help="text, or json for programs (docs/schemas)."),
]


def home_of(context: typer.Context, otherwise: Path | None = None, *, quiet: bool = False) -> Home:
    """Returns the home that the global options, the environment or the current folder name; else `otherwise`, else
    the user's own. `quiet`: no warnings are shown."""
    path, database = context.obj or (None, "")
    if path is None and not os.environ.get("FLEET_HOME"):
        path = otherwise
    return Home.find(
        path, database, os.environ, Path.cwd(), (lambda message: None) if quiet else show_message
    )


@contextmanager
def without_collection() -> Iterator[None]:
    """Runs a block that answers one question about all nodes without looking for garbage: all that is read lives until
    the answer is printed, and to look through it again and again takes a tenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        # The first look after that would be at all of it.
        gc.freeze()
        gc.enable()


def show_message(message: str) -> None:
    """Shows a message of the home on stderr, beside the command's result."""
    from fleet.cli.terminal.output import note

    note(message, "yellow")


def repeat(draw: Callable[[], Text], seconds: float) -> None:
    """Draws again and again until Ctrl-C: on a terminal what has changed, in a pipe the lines that are new."""
    from threading import Event

    from fleet.cli.terminal.columns import folded
    from fleet.cli.terminal.live_display import LiveDisplay
    from fleet.cli.terminal.output import can_draw, console

    screen, never = console(), Event()
    if can_draw():
        with LiveDisplay(screen) as canvas:
            while True:
                canvas.draw(folded(draw(), screen.width))
                never.wait(seconds)
    shown: set[str] = set()
    while True:
        lines = draw().plain.splitlines()
        for line in lines:
            if line not in shown:
                screen.print(line)
        screen.file.flush()
        shown = set(lines)
        never.wait(seconds)
