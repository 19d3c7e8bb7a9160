"""Reads node selectors of pools, in the spelling of Kubernetes, and finds pools that never get a node."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from fleet.config.document.forms import LABEL_KEY, LABEL_TEXT, choice
from fleet.config.document.reader import Reader
from fleet.core.objects.selector import Requirement, Selector
from fleet.core.policy.policy import Pool

SelectorOperator = Literal["In", "NotIn", "Exists", "DoesNotExist"]
OPERATORS: dict[str, SelectorOperator | None] = {
    "In": "In",
    "NotIn": "NotIn",
    "Exists": "Exists",
    "DoesNotExist": "DoesNotExist",
}
MOST_COMPARED = 300
"""The most pools that are compared with one another."""


def selector(reader: Reader) -> Selector:
    labels = reader.pairs("matchLabels", LABEL_KEY, LABEL_TEXT)
    return Selector(labels, tuple(_requirement(block) for block in reader.blocks("matchExpressions")))


def _requirement(reader: Reader) -> Requirement:
    key = reader.required("key", LABEL_KEY, "")
    operator = reader.required("operator", choice(OPERATORS), None)
    values = reader.values("values", LABEL_TEXT, required=operator in ("In", "NotIn"))
    if operator in ("Exists", "DoesNotExist") and values:
        reader.problem(f"expected no values beside {operator}, found {len(values)}", "values")
    return Requirement(key, operator or "Exists", values)


def hidden(pools: Sequence[Pool]) -> list[tuple[int, int]]:
    """Returns pairs (earlier, later) of pools of which the later one never gets a node: the earlier one selects every
    node that the later one selects.

    A node belongs to the first pool that matches, so a narrow pool before a wide one is as it should be.
    """
    compared = list(enumerate(pools))[:MOST_COMPARED]
    found: dict[int, int] = {}
    for (earlier, wide), (later, narrow) in combinations(compared, 2):
        if later not in found and wide.covers(narrow):
            found[later] = earlier
    return [(earlier, later) for later, earlier in found.items()]
