"""What every command starts with: the home that the call is about, and names that people type."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fleet.app.home import Home

if TYPE_CHECKING:
    from rich.text import Text


Format = Annotated[
    Literal["text", "json"],
    typer.Option("--output", "-o", help="text for people, json for programs (docs/schemas)."),
]


def home_of(context: typer.Context, otherwise: Path | None = None) -> Home:
    """The home that the global options, the environment or the current folder name; else `otherwise`, else the
    user's own."""
    path, database = context.obj or (None, "")
    if path is None and not os.environ.get("FLEET_HOME"):
        path = otherwise
    return Home.find(path, database, os.environ, Path.cwd())


def repeat(draw: Callable[[], Text], seconds: float) -> None:
    """Draws again and again on a terminal until Ctrl-C; in a pipe once."""
    from threading import Event

    from fleet.cli.output import console, people_watch

    screen = console()
    if not people_watch():
        screen.print(draw())
        return
    from rich.live import Live

    never = Event()
    with Live(draw(), console=screen, auto_refresh=False, screen=True) as live:
        while not never.wait(seconds):
            live.update(draw(), refresh=True)
