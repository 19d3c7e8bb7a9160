"""Parts that many objects have in common and that are kept in memory once: labels, owners, tolerations."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from sys import intern
from typing import TypeVar

from fleet.core.objects.node import Toleration
from fleet.core.objects.pod import Owner
from fleet.kube.objects.wire import Condition, Meta, TolerationWire

MESSAGE_MOST = 200
"""The most characters of a driver's message about its volume."""
_K = TypeVar("_K")
_V = TypeVar("_V")
_SHARED_LABELS: dict[frozenset[tuple[str, str]], dict[str, str]] = {}
_SHARED_OWNERS: dict[tuple[str, str], Owner] = {}
_SHARED_TOLERATIONS: dict[tuple[TolerationWire, ...], tuple[Toleration, ...]] = {}
_MOST_SHARED = 100_000
NOTHING: dict[str, str] = {}


def moment(text: str | None) -> datetime | None:
    """Returns the timestamp that an API server wrote; None for a text that is not a timestamp."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def condition(conditions: Iterable[Condition] | None, kind: str) -> Condition | None:
    """Returns the condition of this type; None: there is none."""
    return next((condition for condition in conditions or () if condition.type == kind), None)


def owner_of(meta: Meta) -> Owner | None:
    """Returns the owner that controls the object."""
    for owner in meta.owner_references or ():
        if owner.controller:
            _bound(_SHARED_OWNERS)
            return _SHARED_OWNERS.setdefault(
                (owner.uid, owner.name), Owner(intern(owner.kind), intern(owner.name), owner.uid)
            )
    return None


def shared(labels: dict[str, str] | None) -> dict[str, str]:
    """Returns one dict for all objects with equal labels. These dicts are never changed."""
    if not labels:
        return NOTHING
    _bound(_SHARED_LABELS)
    return _SHARED_LABELS.setdefault(frozenset(labels.items()), labels)


def tolerations(found: tuple[TolerationWire, ...] | None) -> tuple[Toleration, ...]:
    """Converts tolerations; pods with equal tolerations share one tuple."""
    if not found:
        return ()
    known = _SHARED_TOLERATIONS.get(found)
    if known is None:
        _bound(_SHARED_TOLERATIONS)
        known = tuple(
            Toleration(toleration.key, toleration.operator, toleration.value, toleration.effect)
            for toleration in found
        )
        _SHARED_TOLERATIONS[found] = known
    return known


def _bound(shared: dict[_K, _V]) -> None:
    """Empties a cache that is full: this costs memory, and changes no result."""
    if len(shared) >= _MOST_SHARED:
        shared.clear()
