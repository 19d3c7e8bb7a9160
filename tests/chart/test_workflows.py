"""The workflows are valid, by actionlint: expressions, permissions, shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.chart.render import built

WORKFLOWS = Path(__file__).parents[2] / ".github" / "workflows"


def test_workflows_are_valid() -> None:
    files = sorted(WORKFLOWS.glob("*.yml"))
    done = subprocess.run(
        [built("actionlint"), "-shellcheck=", "-pyflakes=", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert len(files) > 1
