"""Parts that many objects have in common: labels, owners, tolerations. They are kept in memory once, and those of pods
are decoded once for all pods with the same text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import TypeVar

from msgspec import Raw, json

from fleet.core.objects.node import Toleration
from fleet.core.objects.pod import Owner
from fleet.kube.objects.wire import Condition, Labels, Owners

MESSAGE_MOST = 200
"""The most characters of a driver's message about its volume."""
_K = TypeVar("_K")
_V = TypeVar("_V")
_SHARED_LABELS: dict[frozenset[tuple[str, str]], dict[str, str]] = {}
_SHARED_OWNERS: dict[tuple[str, str], Owner] = {}
_MOST_SHARED = 100_000
NOTHING: dict[str, str] = {}
Tolerations = tuple[Toleration, ...] | None


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
    for found in conditions or ():
        if found.type == kind:
            return found
    return None


def owner_of(owners: Owners) -> Owner | None:
    """Returns the owner that controls the object."""
    for owner in owners or ():
        if owner.controller:
            _bound(_SHARED_OWNERS)
            return _SHARED_OWNERS.setdefault(
                (owner.uid, owner.name), Owner(intern(owner.kind), intern(owner.name), owner.uid)
            )
    return None


def shared(labels: Labels) -> dict[str, str]:
    """Returns one dict for all objects with equal labels. These dicts are never changed."""
    if not labels:
        return NOTHING
    _bound(_SHARED_LABELS)
    return _SHARED_LABELS.setdefault(frozenset(labels.items()), labels)


def owner_in(text: Raw) -> Owner | None:
    """Returns the owner that controls the object. `text`: its ownerReferences; all pods of a workload have the same.
    Raises msgspec.ValidationError for other JSON."""
    return _owner_in(bytes(text))


def labels_in(text: Raw) -> dict[str, str]:
    """Returns labels, one dict for all objects with the same text. These dicts are never changed. Raises
    msgspec.ValidationError for JSON that is no map of texts."""
    return _labels_in(bytes(text))


def tolerations_in(text: Raw) -> tuple[Toleration, ...]:
    """Returns tolerations, one tuple for all objects with the same text. Raises msgspec.ValidationError for JSON that
    is no list of them."""
    return _tolerations_in(bytes(text))


@lru_cache(_MOST_SHARED)
def _owner_in(text: bytes) -> Owner | None:
    owners: Owners = json.decode(text, type=Owners)
    return owner_of(owners)


@lru_cache(_MOST_SHARED)
def _labels_in(text: bytes) -> dict[str, str]:
    labels: Labels = json.decode(text, type=Labels)
    return shared(labels)


@lru_cache(_MOST_SHARED)
def _tolerations_in(text: bytes) -> tuple[Toleration, ...]:
    tolerations: Tolerations = json.decode(text, type=Tolerations)
    return tolerations or ()


def _bound(shared: dict[_K, _V]) -> None:
    """Empties a cache that is full: this costs memory, and changes no result."""
    if len(shared) >= _MOST_SHARED:
        shared.clear()
