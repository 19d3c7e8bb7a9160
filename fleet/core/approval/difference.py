"""Finds the differences between two effects of a plan, as one line for each node and key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET, Struct

from fleet.core.approval.effect import Effect

AMOUNT = {"number", "percent"}
"""The keys of an amount (`fleet.core.policy.policy.Amount`), which is shown as one value."""


class EffectDifference(Struct, frozen=True):
    """A node or a key that is not as an approval covers it."""

    subject: str
    """A node (`east/n-1`), or a key such as `pools.workers.limits.max_unavailable`."""
    was: str
    """The value that the approval covers. Empty: there was none."""
    now: str
    """Empty: there is none now."""
    node: bool = False
    """True: a node joined or left."""

    def __str__(self) -> str:
        if not self.was:
            return f"{self.subject} joined" if self.node else f"{self.subject}: {self.now} is new"
        if not self.now:
            return f"{self.subject} left" if self.node else f"{self.subject}: {self.was} is gone"
        return f"{self.subject}: {self.was} -> {self.now}"


def differences(was: Effect, now: Effect) -> tuple[EffectDifference, ...]:
    """Returns what differs in `now` from `was`: nodes that joined or left, and each changed key, sorted."""
    return (*_of_nodes(was["nodes"], now["nodes"]), *_of_keys(_rest(was), _rest(now)))


def _of_nodes(was: Effect, now: Effect) -> Iterator[EffectDifference]:
    for node in sorted(was.keys() | now.keys()):
        if node not in now or node not in was:
            yield EffectDifference(node, _pool(was.get(node)), _pool(now.get(node)), node=True)
            continue
        for key in sorted(was[node].keys() | now[node].keys()):
            before, after = was[node].get(key), now[node].get(key)
            if before != after:
                yield EffectDifference(f"{node} {key}", _text(before), _text(after))


def _pool(node: Any) -> str:
    return "" if node is None else f"in pool {node['pool']}"


def _rest(effect: Effect) -> dict[str, Any]:
    return {key: value for key, value in effect.items() if key != "nodes"}


def _of_keys(was: Any, now: Any, path: str = "") -> Iterator[EffectDifference]:
    if was == now:
        return
    if isinstance(was, list) and isinstance(now, list):
        was, now = _by_name(was), _by_name(now)
    if isinstance(was, dict) and isinstance(now, dict) and not _is_amount(was):
        for key in sorted(was.keys() | now.keys()):
            yield from _of_keys(was.get(key, UNSET), now.get(key, UNSET), f"{path}.{key}" if path else key)
        return
    yield EffectDifference(path, _text(was), _text(now))


def _is_amount(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == AMOUNT


def _by_name(items: list[Any]) -> dict[str, Any]:
    """Returns the items by name, or by position where they have no names."""
    return {
        str(item["name"]) if isinstance(item, dict) and "name" in item else str(index): item
        for index, item in enumerate(items)
    }


def _text(value: Any) -> str:
    match value:
        case _ if value is UNSET:
            return ""
        case None:
            return "none"
        case "":
            return "nothing"
        case bool():
            return "true" if value else "false"
        case dict() if _is_amount(value):
            return f"{value['number']}{'%' if value['percent'] else ''}"
        case dict():
            return ", ".join(f"{key} {_text(each)}" for key, each in sorted(value.items()))
        case list():
            return ", ".join(_text(each) for each in value) or "nothing"
    return str(value)
