"""docs/contributing/guard.md holds: its example works, in no more files than it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.programs.contributing.worked_example import example


@pytest.mark.parametrize(
    ("heading", "most"), [("Hold a node that has a label", 2), ("Hold a node until a day", 3)]
)
def test_the_example_works_on_a_copy_of_the_package(heading: str, most: int, tmp_path: Path) -> None:
    shown = example("guard.md", heading)
    assert 0 < len(shown.files) <= most
    done = shown.run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
