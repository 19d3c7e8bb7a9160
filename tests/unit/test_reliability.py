"""The pages on reliability and on security name tests: each of them exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / "docs" / name).read_text() for name in ("reliability.md", "security.md")}
TEST = re.compile(r"`(tests/[\w/.]+)(?:::(\w+))?`")
NAMED = sorted({each for page in PAGES.values() for each in TEST.findall(page)})


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_page_names_tests(page: str) -> None:
    assert len([name for _, name in TEST.findall(page) if name]) > 20


@pytest.mark.parametrize(("path", "name"), NAMED, ids=["::".join(filter(None, each)) for each in NAMED])
def test_named_test_exists(path: str, name: str) -> None:
    found = ROOT / path
    assert found.exists()
    if name:
        tree = ast.parse(found.read_text())
        assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
