"""Counts the unavailable nodes in the scope of each limit: a pool, its part in a zone, a site, a cluster."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Amount, Limits
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason

NAMED = 3
"""The most unavailable nodes that a message names."""


class Scope(NamedTuple):
    reason: Reason
    """The reason by which a node is held while the scope is full."""
    pool: str
    """Empty: nodes of all pools."""
    place: str
    """The zone (`cluster/zone`), site or cluster; empty: everywhere."""

    @property
    def subject(self) -> str:
        return self.place or self.pool or "fleet"


class DisruptionLimits:
    def __init__(self) -> None:
        self._scopes: dict[NodeRef, tuple[tuple[Scope, Amount], ...]] = {}
        self._members: dict[Scope, int] = {}
        self._unavailable: dict[Scope, set[NodeRef]] = {}
        self._group_numbers: dict[tuple[tuple[Scope, Amount], ...], int] = {}
        self._group_number: dict[NodeRef, int] = {}

    def assign(self, ref: NodeRef, limits: Iterable[tuple[Scope, Amount]]) -> list[Scope]:
        """Sets the limits that a node counts for; returns the scopes that the node counted for before.

        The node is not unavailable until `set_unavailable` is called.
        """
        before = self._remove(ref)
        self._scopes[ref] = tuple(limits)
        self._group_number[ref] = self._group_numbers.setdefault(
            self._scopes[ref], 2 * len(self._group_numbers)
        )
        for scope, _ in self._scopes[ref]:
            self._members[scope] = self._members.get(scope, 0) + 1
        return before

    def _remove(self, ref: NodeRef) -> list[Scope]:
        before = [scope for scope, _ in self._scopes.pop(ref, ())]
        for scope in before:
            self._members[scope] -= 1
            self._unavailable.get(scope, set()).discard(ref)
        return before

    def set_unavailable(self, ref: NodeRef, unavailable: bool) -> list[Scope]:
        """Sets whether the node is unavailable; returns the scopes in which a place has become free."""
        freed = []
        for scope, _ in self._scopes.get(ref, ()):
            members = self._unavailable.setdefault(scope, set())
            if unavailable:
                members.add(ref)
            elif ref in members:
                members.discard(ref)
                freed.append(scope)
        return freed

    def unavailable(self, scope: Scope) -> int:
        return len(self._unavailable.get(scope, ()))

    def limited(self, ref: NodeRef) -> bool:
        """Returns whether the node counts for any limit."""
        return bool(self._scopes.get(ref))

    def limit_group(self, ref: NodeRef) -> int:
        """Returns the number of the node's group: nodes of one group count for the same limits, and all or none of them are
        unavailable."""
        unavailable = any(ref in self._unavailable.get(scope, ()) for scope, _ in self._scopes.get(ref, ()))
        return self._group_number.get(ref, -2) + unavailable

    def held(self, ref: NodeRef) -> tuple[Scope, Held] | None:
        """Returns the first full limit of the node, with the reason. An unavailable node takes no further place."""
        for scope, amount in self._scopes.get(ref, ()):
            unavailable = self._unavailable.get(scope, set())
            limit = amount.of(self._members[scope])
            if ref not in unavailable and len(unavailable) >= limit:
                return scope, Held(scope.reason, scope.subject, _params(unavailable, limit))
        return None


def _params(unavailable: Collection[NodeRef], limit: int) -> dict[str, str | int]:
    params: dict[str, str | int] = {"out": len(unavailable), "limit": limit, "which": _names(unavailable)}
    if limit == 0:
        params["advice"] = "a limit of 0 lets no node start: raise it in the policy, then make a new plan"
    return params


def _names(unavailable: Collection[NodeRef]) -> str:
    """Returns the names of the nodes for a message; empty if there are too many to be named."""
    return f": {', '.join(sorted(map(str, unavailable)))}" if 0 < len(unavailable) <= NAMED else ""


def scopes(
    ref: NodeRef, pool: str, site: str, zone: str, own: Limits, fleet: Limits
) -> Iterable[tuple[Scope, Amount]]:
    """Yields the limits that a node counts for: those of the whole fleet, then those of its pool; the widest scope first.

    `own`: the limits of the pool; `fleet`: those of the whole fleet.
    """
    for name, limits in (("", fleet), (pool, own)):
        for reason, place, amount in (
            (Reason.POOL_LIMIT, "", limits.max_unavailable),
            (Reason.SITE_LIMIT, site, limits.per_site),
            (Reason.CLUSTER_LIMIT, ref.cluster, limits.per_cluster),
            (Reason.ZONE_LIMIT, f"{ref.cluster}/{zone}", limits.per_zone),
        ):
            if amount is not None:
                yield Scope(reason, name, place), amount
