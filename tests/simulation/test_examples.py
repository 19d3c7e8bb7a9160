"""What the README of each example has a reader paste is done in a copy of it, and prints what stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.markdown import blocks, links, words_in_code

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
AT = "/home/you/fleet/examples"
"""Where the reader of the READMEs has them."""
MOMENT = re.compile(
    r"(?<![\d:])(?:[MTWFS][a-z]{2} )?(?:\d\d [A-Z][a-z]{2} (?:\d{4} )?)?\d\d:\d\d(:\d\d)?(?= UTC|  )"
)
"""A time of day, with the date where it is another day's."""


def steps(text: str) -> Iterator[tuple[str, str]]:
    """Each block of commands, and the output that it should print: the block behind it, or nothing."""
    found = blocks(text)
    assert {kind for kind, _ in found} <= {"sh", "text"}
    for (kind, commands), (following, printed) in zip(found, [*found[1:], ("", "")], strict=True):
        if kind == "sh":
            yield commands, printed if following == "text" else ""


def without_times(output: str) -> list[str]:
    """Without what differs from one moment to the next."""
    return [re.sub(r" +", " ", MOMENT.sub("00:00", line)).strip() for line in output.splitlines()]


def done(commands: str, folder: Path) -> str:
    """What a shell prints, in a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FLEET_", "SSH_"))}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**kept, "PATH": programs, "HOME": str(folder.parent), "NO_COLOR": "1"}
    run = subprocess.run(
        ["sh", "-c", commands],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    return run.stdout.replace(str(folder.parent), AT)


@pytest.mark.parametrize("name", NAMES)
def test_commands_of_the_readme_print_what_it_shows(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder)
    pasted = list(steps((EXAMPLES / name / "README.md").read_text()))
    assert len(pasted) > 1
    for commands, printed in pasted:
        assert without_times(done(commands, folder)) == without_times(printed), commands


@pytest.mark.parametrize("name", NAMES)
def test_readme_names_each_of_its_files(name: str) -> None:
    folder = EXAMPLES / name
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files - {"README.md"} <= set(words_in_code((folder / "README.md").read_text()))


def test_list_of_examples_is_complete() -> None:
    assert {f"{name}/README.md" for name in NAMES} <= set(links((EXAMPLES / "README.md").read_text()))
    assert len(NAMES) == 4


def test_outputs_are_compared_without_the_time_of_day() -> None:
    assert (
        without_times("until 06:30 UTC")
        == without_times("until Sat 21 Nov 23:59 UTC")
        == without_times("until 21 Nov 2026 23:59 UTC")
    )
    assert without_times(" 06:20:45  06:24:23  n-1") == without_times("01 Dec 00:20:45  01 Dec 00:24:23  n-1")
    assert without_times("takes 10m 3s") != without_times("takes 10m 4s")
    assert without_times("0:01:03  cp-1") != without_times("0:01:04  cp-1")
