"""docs/contributing/cli-command.md holds: its example works, in no more files than it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.programs.contributing.worked_example import example

PAGE = "cli-command.md"


@pytest.mark.parametrize(
    ("heading", "most"),
    [
        ("Add a command", 3),
        ("Add a column to fleet status", 1),
        ("Add a column for a new fact", 1),
        ("Add a column for a fact that fleet does not read yet", 3),
    ],
)
def test_the_example_works_on_a_copy_of_the_package(heading: str, most: int, tmp_path: Path) -> None:
    shown = example(PAGE, heading)
    assert 0 < len(shown.files) <= most
    done = shown.run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
