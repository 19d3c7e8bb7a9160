"""Bounds the lists of the policy. The API server has to know how long the rules of its schemas take, and the policy
is the same in a file as in objects."""

from __future__ import annotations

from collections.abc import Mapping

MOST_ITEMS = 64
"""Items of a list of mappings that MOST_OF does not name."""
MOST_OF: Mapping[str, int | None] = {
    "releases": 4096,
    "advisories": 4096,
    "sites": 1024,
    "clusters": 1024,
    "rules": 256,
    "pods": 32,
    "matchExpressions": 32,
    "silences": 32,
    "soaked_in": 32,
    # Each of their entries is an object of its own.
    "pools": None,
    "streams": None,
    "freezes": None,
    "quorums": None,
    # An inventory of hosts is no policy.
    "hosts": None,
}
"""Items of lists of mappings, by the last part of their key. None: any number."""
MOST_VALUES = 1024
"""Items of a list of single values."""
MOST_PAIRS = 256
"""Pairs of a mapping whose keys users choose, where MOST_PAIRS_OF does not name it."""
MOST_PAIRS_OF: Mapping[str, int] = {"secrets": 16, "matchers": 16}


def most_items(key: str) -> int | None:
    """Returns how many items a list of mappings may have, by the last part of its key; None: any number."""
    return MOST_OF.get(key, MOST_ITEMS)


def most_pairs(key: str) -> int:
    """Returns how many pairs a mapping may have whose keys users choose, by the last part of its key."""
    return MOST_PAIRS_OF.get(key, MOST_PAIRS)
