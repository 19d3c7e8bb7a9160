"""Every key that the parser knows is in docs/policy.md and in the template of `fleet init`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleet.config import default_policy_text
from tools.crds.schema import every_key

DOCS = Path(__file__).parents[3] / "docs" / "policy.md"


def known_keys() -> set[str]:
    return set(every_key())


def documented() -> set[str]:
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return {row.split("`")[1] for row in rows}


def names_in_docs(key: str) -> set[str]:
    """`defaults` and pools share their rules, so those stand there without either."""
    parts = key.split(".")
    return {".".join(parts[start:]) for start in range(len(parts))}


def test_known_keys_include_nested_ones() -> None:
    assert {"pools[].limits.per_zone", "defaults.windows[].zone", "freezes[].until"} <= known_keys()
    assert len(known_keys()) > 60


@pytest.mark.parametrize("key", sorted(known_keys()))
def test_every_key_is_documented_and_in_the_template(key: str) -> None:
    assert names_in_docs(key) & documented(), f"{key} is not in docs/policy.md"
    name = re.escape(key.rpartition(".")[2].removesuffix("[]"))
    assert re.search(rf"^[#\s{{-]*{name}:", default_policy_text(), re.M) or name == "values"


def test_docs_name_no_unknown_key() -> None:
    endings = {name for key in known_keys() for name in names_in_docs(key)}
    assert documented() <= endings
