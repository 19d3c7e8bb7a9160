"""The walk of one Node in docs/architecture.md names files that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_file_of_the_walk_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    walk = text.partition("## One Node, from the watch to the journal")[2].partition("\n## ")[0]
    named = re.findall(r"`([a-z_]+(?:/[a-z_]+)+\.py)`", walk)
    assert len(named) > 15
    assert [each for each in named if not (ROOT / "fleet" / each).is_file()] == []
