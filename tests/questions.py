"""The questions of docs/questions.md: each command, with the output that the page shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fleet.app.monitoring.collect import collect
from fleet.app.monitoring.exposition import exposition
from fleet.app.wiring.home import Home
from fleet.cli.main import run

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "questions.md"
_BLOCK = re.compile(
    r"^    \$ (?P<command>.+)\n(?P<output>(?:(?:    .*)?\n)*?)(?=^    \$ |^\S|\Z)", re.MULTILINE
)


class ShownQuestion(NamedTuple):
    """One command of the page."""

    command: str
    output: str
    span: tuple[int, int]
    """Where the output stands in the page's text."""


def shown(text: str) -> Iterator[ShownQuestion]:
    """Yields the commands of the page, each with its output as a terminal prints it."""
    for found in _BLOCK.finditer(text):
        lines = [line[4:] for line in found["output"].rstrip().splitlines()]
        yield ShownQuestion(found["command"], "\n".join(lines), found.span("output"))


def printed(command: str, home: Home, capsys: pytest.CaptureFixture[str]) -> str:
    """Returns what the command prints: that of fleet, or the metrics that a `curl ... | grep PATTERN` selects."""
    if command.startswith("curl "):
        text = exposition(collect(home), "")[0].decode()
        pattern = re.compile(shlex.split(command)[-1])
        return "\n".join(line for line in text.splitlines() if pattern.search(line))
    program, *arguments = shlex.split(command)
    assert program == "fleet"
    capsys.readouterr()
    run(["--home", str(home.path), *arguments])
    found = capsys.readouterr()
    return "\n".join(line.rstrip() for line in (found.err + found.out).rstrip().splitlines())


def rewritten(text: str, outputs: list[str]) -> str:
    """Returns the page with these outputs."""
    for question, output in reversed(list(zip(shown(text), outputs, strict=True))):
        block = "".join(f"    {line}".rstrip() + "\n" for line in output.splitlines())
        tail = "\n" if text[question.span[0] : question.span[1]].endswith("\n\n") or not block else ""
        text = text[: question.span[0]] + block + (tail or "\n") + text[question.span[1] :]
    return text
