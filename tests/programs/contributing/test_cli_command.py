"""docs/contributing/cli-command.md holds: what it shows can be done, in no more files than it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.programs.contributing.worked_example import example

PAGE = "cli-command.md"
FILES_AT_MOST = 3


@pytest.mark.parametrize(
    "heading", ["Add a command", "Add a column to fleet status", "Add a column for a new fact"]
)
def test_the_example_works_on_a_copy_of_the_package(heading: str, tmp_path: Path) -> None:
    shown = example(PAGE, heading)
    assert 0 < len(shown.files) <= FILES_AT_MOST
    done = shown.run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
