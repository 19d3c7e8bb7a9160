"""How many nodes are out, in each scope that a limit is about: a pool, its part in a zone, a site, a cluster."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Amount, Limits
from fleet.core.records.held import Held, Reason

NAMED = 3
"""So many nodes that are out are named."""


class Scope(NamedTuple):
    reason: Reason
    """By which a full one is held."""
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
        self._out: dict[Scope, set[NodeRef]] = {}
        self._places: dict[tuple[tuple[Scope, Amount], ...], int] = {}
        self._place_of: dict[NodeRef, int] = {}

    def assign(self, ref: NodeRef, limits: Iterable[tuple[Scope, Amount]]) -> list[Scope]:
        """Says which limits a node counts for, and answers those that it counted for before. Call `mark` after it."""
        before = self._remove(ref)
        self._scopes[ref] = tuple(limits)
        self._place_of[ref] = self._places.setdefault(self._scopes[ref], 2 * len(self._places))
        for scope, _ in self._scopes[ref]:
            self._members[scope] = self._members.get(scope, 0) + 1
        return before

    def _remove(self, ref: NodeRef) -> list[Scope]:
        before = [scope for scope, _ in self._scopes.pop(ref, ())]
        for scope in before:
            self._members[scope] -= 1
            self._out.get(scope, set()).discard(ref)
        return before

    def set_unavailable(self, ref: NodeRef, out: bool) -> list[Scope]:
        """Answers the scopes in which a place has become free."""
        freed = []
        for scope, _ in self._scopes.get(ref, ()):
            members = self._out.setdefault(scope, set())
            if out:
                members.add(ref)
            elif ref in members:
                members.discard(ref)
                freed.append(scope)
        return freed

    def unavailable(self, scope: Scope) -> int:
        return len(self._out.get(scope, ()))

    def limit_group(self, ref: NodeRef) -> int:
        """Nodes with the same number count for the same limits, and none of them or each of them is out already."""
        out = any(ref in self._out.get(scope, ()) for scope, _ in self._scopes.get(ref, ()))
        return self._place_of.get(ref, -2) + out

    def held(self, ref: NodeRef) -> tuple[Scope, Held] | None:
        """The first limit that leaves no place for this node. One that is out already takes no further place."""
        for scope, amount in self._scopes.get(ref, ()):
            out = self._out.get(scope, set())
            limit = amount.of(self._members[scope])
            if ref not in out and len(out) >= limit:
                return scope, Held(scope.reason, scope.subject, _facts(out, limit))
        return None


def _facts(out: Collection[NodeRef], limit: int) -> dict[str, str | int]:
    facts: dict[str, str | int] = {"out": len(out), "limit": limit, "which": _which(out)}
    if limit == 0:
        facts["advice"] = "a limit of 0 lets no node start: raise it in the policy, then make a new plan"
    return facts


def _which(out: Collection[NodeRef]) -> str:
    """Named where they are few enough to be looked at."""
    return f": {', '.join(sorted(map(str, out)))}" if 0 < len(out) <= NAMED else ""


def scopes(
    ref: NodeRef, pool: str, site: str, zone: str, own: Limits, fleet: Limits
) -> Iterable[tuple[Scope, Amount]]:
    """The limits that a node counts for: those of its pool, and those of the whole fleet. Widest first."""
    for name, limits in (("", fleet), (pool, own)):
        for reason, place, amount in (
            (Reason.POOL_LIMIT, "", limits.max_unavailable),
            (Reason.SITE_LIMIT, site, limits.per_site),
            (Reason.CLUSTER_LIMIT, ref.cluster, limits.per_cluster),
            (Reason.ZONE_LIMIT, f"{ref.cluster}/{zone}", limits.per_zone),
        ):
            if amount is not None:
                yield Scope(reason, name, place), amount
