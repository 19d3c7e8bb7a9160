"""The page on reliability names tests: each of them exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", PAGE)))


def test_the_page_names_tests() -> None:
    assert len([name for _, name in NAMED if name]) > 20


@pytest.mark.parametrize(("path", "name"), NAMED, ids=["::".join(filter(None, each)) for each in NAMED])
def test_what_the_page_names_is_there(path: str, name: str) -> None:
    found = ROOT / path
    assert found.exists()
    if name:
        tree = ast.parse(found.read_text())
        assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
