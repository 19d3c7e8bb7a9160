"""Suggestions for names that users type."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from fleet.core.policy.policy import Policy, Pool
from fleet.core.records.errors import UsageError

MOST = 12
"""The most names that a message lists; the rest is counted."""


def pool_named(policy: Policy, name: str) -> Pool:
    """Returns the pool of that name. Raises UsageError with the nearest name where the policy has no such pool."""
    pool = policy.pool(name)
    if pool is None:
        raise UsageError(
            f"the policy has no pool {name}", there_is((pool.name for pool in policy.pools), name)
        )
    return pool


def there_is(names: Iterable[str], wanted: str) -> str:
    """Returns the remedy where `wanted` is none of the names: the nearest one, or else the list of names."""
    known = list(dict.fromkeys(names))
    if near := get_close_matches(wanted, known, 1):
        return f"did you mean {near[0]}?"
    rest = f" and {len(known) - MOST} more" if len(known) > MOST else ""
    return f"known: {', '.join(known[:MOST]) or 'none'}{rest}"
