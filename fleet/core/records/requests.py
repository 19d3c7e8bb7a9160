"""Counts the requests that fleet sends to API servers, by their purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct


class RequestKind(NamedTuple):
    """The key by which requests are counted together."""

    rollout: str
    """Empty: the requests are for no rollout in particular (lists, watches, leases)."""
    verb: str
    """The verb as in RBAC: get, list, watch, create, patch, ..."""
    resource: str


class RequestCount(Struct, frozen=True):
    """The number of requests of one kind that were sent for a rollout, to all its clusters."""

    verb: str
    resource: str
    count: int
    per_node: float
    """Requests for each node that the rollout has performed an action on."""


def counts_of_rollout(
    rollout: str, counts: Mapping[RequestKind, int], nodes: int
) -> tuple[RequestCount, ...]:
    """Returns the requests of one rollout by kind, the most frequent kind first. `nodes`: the number of nodes that the
    rollout has performed an action on."""
    sent = [(kind, count) for kind, count in counts.items() if kind.rollout == rollout]
    sent.sort(key=lambda pair: (-pair[1], pair[0]))
    return tuple(
        RequestCount(kind.verb, kind.resource, count, round(count / nodes, 2) if nodes else 0.0)
        for kind, count in sent
    )


def format_requests(requests: Sequence[RequestCount]) -> str:
    """Returns `4,210 API requests, 8.1 a node`. Empty: none were sent."""
    total = sum(request.count for request in requests)
    return (
        f"{total:,} API requests, {sum(request.per_node for request in requests):.1f} a node" if total else ""
    )
