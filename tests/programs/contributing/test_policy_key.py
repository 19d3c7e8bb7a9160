"""docs/contributing/policy-key.md holds: its example works, in no more files than it names."""

from __future__ import annotations

from pathlib import Path

from tests.programs.contributing.worked_example import example

FILES_AT_MOST = 3


def test_the_example_works_on_a_copy_of_the_package(tmp_path: Path) -> None:
    shown = example("policy-key.md", "Add a key to the rules of a pool")
    assert 0 < len(shown.files) <= FILES_AT_MOST
    done = shown.run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
