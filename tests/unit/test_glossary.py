"""docs/glossary.md has every word that is fleet's own: steps, actions, states, and the nouns of the core."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from fleet.core.rollout.steps import RolloutState, Step

ROOT = Path(__file__).parents[2]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
TERMS = {term.lower() for term in re.findall(r"\*\*([^*]+)\*\*", GLOSSARY)}
KUBERNETES = {
    *(
        "attachment",
        "budget",
        "cordon",
        "evict",
        "eviction",
        "node",
        "owner",
        "pod",
        "requirement",
        "resources",
    ),
    *("selector", "taint", "toleration", "uncordon", "workload"),
}
"""Nouns of the core that mean what they mean in the Kubernetes API. A budget is a PodDisruptionBudget."""


def test_every_noun_of_the_core_is_explained() -> None:
    nouns = {
        node.name.lower()
        for path in sorted((ROOT / "fleet" / "core").rglob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and re.fullmatch(r"[A-Z][a-z]+", node.name)
    }
    missing = {
        noun for noun in nouns - KUBERNETES if noun not in TERMS and noun.removesuffix("s") not in TERMS
    }
    assert missing == set()


@pytest.mark.parametrize("word", [*(str(step) for step in Step), *(str(state) for state in RolloutState)])
def test_every_step_and_every_state_is_named(word: str) -> None:
    assert re.search(rf"\b{word}\b", GLOSSARY)
