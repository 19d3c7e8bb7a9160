"""Compares two reports, figure by figure. Pure; works on reports as decoded from JSON, so that reports of older and of
newer versions can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

LEFT_OUT = frozenset(
    {"at", "checkpoint", "checkpoints", "entries", "evidence", "others", "outside_journal", "signature"}
)
"""Top-level keys that differ between any two reports, and the journal entries, whose content the other keys show."""
KEYS: Mapping[str, tuple[str, ...]] = {
    "rollouts": ("rollout",),
    "runs": ("cluster", "node"),
    "releases": ("stream", "version"),
    "exceptions": ("cluster", "node", "version"),
    "granted": ("id",),
    "trend": ("quarter",),
    "pools": ("name",),
    "evictions": ("uid",),
    "held": ("cluster", "node"),
    "durations": ("step",),
    "requests": ("verb", "resource"),
    "freezes": ("name", "begin"),
    "clusters": ("cluster",),
    "boots": ("cluster", "node", "boot_id"),
    "nodes": ("cluster", "node", "why"),
    "commands": ("seq",),
    "halts": ("seq",),
    "controllers": ("actor", "epoch"),
}
"""The keys that identify the elements of a list, by the list's name. Elements of other lists are compared by position."""


class Difference(Struct, frozen=True):
    """One difference between two reports."""

    path: str
    """Such as `rollouts[r-1].runs[east/n-1].ending`."""
    kind: Literal["changed", "removed", "added"]
    before: Any = None
    """None for what was added."""
    after: Any = None
    """None for what was removed."""

    @property
    def words(self) -> str:
        if self.kind == "changed":
            return f"{_shown(self.before)} -> {_shown(self.after)}"
        return f"{self.kind}: {_shown(self.after if self.kind == 'added' else self.before)}"


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    """Yields the differences in the order of the keys; elements of lists by what identifies them."""
    yield from _mappings(
        {key: value for key, value in before.items() if key not in LEFT_OUT},
        {key: value for key, value in after.items() if key not in LEFT_OUT},
        "",
    )


def _mappings(before: Mapping[str, Any], after: Mapping[str, Any], path: str) -> Iterator[Difference]:
    for key in dict.fromkeys((*before, *after)):
        place = f"{path}.{key}" if path else key
        if key not in after:
            yield Difference(place, "removed", before=before[key])
        elif key not in before:
            yield Difference(place, "added", after=after[key])
        else:
            yield from _values(before[key], after[key], place, key)


def _values(before: Any, after: Any, path: str, name: str) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _mappings(before, after, path)
    elif isinstance(before, list) and isinstance(after, list):
        old, new = _named(before, name), _named(after, name)
        for each in dict.fromkeys((*old, *new)):
            place = f"{path}[{each}]"
            if each not in new:
                yield Difference(place, "removed", before=old[each])
            elif each not in old:
                yield Difference(place, "added", after=new[each])
            else:
                yield from _values(old[each], new[each], place, "")
    elif before != after or type(before) is not type(after):
        yield Difference(path, "changed", before, after)


def _named(elements: list[Any], name: str) -> dict[str, Any]:
    """Returns the elements by what identifies them; by their places if two of them have the same name."""
    keys = KEYS.get(name, ())
    if keys and all(isinstance(each, dict) and all(key in each for key in keys) for each in elements):
        found = {"/".join(str(each[key]) for key in keys): each for each in elements}
        if len(found) == len(elements):
            return found
    return {str(place): each for place, each in enumerate(elements)}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(
            f"{key} {part}" for key, part in value.items() if isinstance(part, str | int | float)
        )
    if isinstance(value, list):
        return f"{len(value)} elements"
    return "none" if value is None else str(value)
