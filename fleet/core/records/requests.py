"""How many requests fleet sends to API servers, and for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct


class RequestKind(NamedTuple):
    """Requests that are counted together."""

    rollout: str
    """Empty: for no rollout in particular (lists, watches, leases)."""
    verb: str
    """As in RBAC: get, list, watch, create, patch, ..."""
    resource: str


class RequestCount(Struct, frozen=True):
    """Requests of one sort that were sent for a rollout, to all its clusters."""

    verb: str
    resource: str
    count: int
    per_node: float
    """Of the nodes that anything was done to."""


def counts_of_rollout(
    rollout: str, counts: Mapping[RequestKind, int], nodes: int
) -> tuple[RequestCount, ...]:
    """Most first. `nodes`: that the rollout has done anything to."""
    mine = [(sort, count) for sort, count in counts.items() if sort.rollout == rollout]
    mine.sort(key=lambda each: (-each[1], each[0]))
    return tuple(
        RequestCount(sort.verb, sort.resource, count, round(count / nodes, 2) if nodes else 0.0)
        for sort, count in mine
    )


def format_requests(requests: Sequence[RequestCount]) -> str:
    """`4,210 API requests, 8.1 a node`; empty: none were sent."""
    total = sum(each.count for each in requests)
    return f"{total:,} API requests, {sum(each.per_node for each in requests):.1f} a node" if total else ""
