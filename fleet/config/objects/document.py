"""Puts the objects of the policy together to one document, as `fleet.yaml` would be: each of them is an item of a list
there, or its top level."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from fleet.config.document import forms
from fleet.config.document.findings import Findings, SourcePlace
from fleet.config.document.fragment import Block, Items, KeyEntry, Scalar
from fleet.config.objects.kinds import CONFIG, DEFAULT, LISTS, POOL, STREAM
from fleet.config.objects.policy_object import PolicyObject

IN_LINE = ("releases", "feed")


class OrderedPool(NamedTuple):
    order: int
    name: str
    object: PolicyObject


def document_of(objects: Iterable[PolicyObject], findings: Findings) -> tuple[Block, list[OrderedPool]]:
    """Returns the document, and the policies in the order in which they take nodes: by `order`, and then by name. Mistakes
    that only objects can have are added to the findings. Raises TooMany."""
    given = sorted(objects, key=lambda each: (each.kind.list, each.name))
    _once(given, findings)
    ordered = (_ordered(each, findings) for each in given if each.kind.kind == POOL)
    pools = sorted(ordered, key=lambda each: (each.order, each.name))
    in_line = [stream for each in pools if (stream := _stream(each.object)) is not None]
    top = _top(given, findings)
    entries = dict(top.entries)
    for kind in LISTS.values():
        own = [_item(each) for each in given if each.kind == kind]
        if kind.kind == POOL:
            own = [_pool(each.object) for each in pools]
        elif kind.kind == STREAM:
            own += in_line
        if own:
            entries[kind.list] = KeyEntry(0, Items(0, tuple(own)))
    return replace(top, entries=entries), pools


def _once(objects: Sequence[PolicyObject], findings: Findings) -> None:
    """Adds a problem for objects that are there twice, as in two files."""
    known: set[str] = set()
    for each in objects:
        if each.id in known:
            place = SourcePlace(each.source, each.spec.line)
            findings.problem(place, f"expected each object once, found {each.id} again")
        known.add(each.id)


def _top(objects: Sequence[PolicyObject], findings: Findings) -> Block:
    """Returns the top level, which the FleetConfig named default has."""
    found = Block(0)
    for each in objects:
        if each.kind.kind != CONFIG:
            continue
        place = SourcePlace(each.source, each.spec.line)
        if each.name != DEFAULT:
            findings.problem(
                place, f"expected the name {DEFAULT}, since there is one {CONFIG}, found {each.name}"
            )
        for key in set(LISTS) & set(each.spec.entries):
            kind = LISTS[key].kind
            findings.problem(
                replace(place, path=f"spec.{key}"), f"expected objects of the kind {kind}, found a list"
            )
        entries = {key: entry for key, entry in each.spec.entries.items() if key not in LISTS}
        found = replace(each.spec, entries=entries, source=each.source)
    return found


def _item(found: PolicyObject) -> Block:
    """Returns the object as an item of a list, with its name in the policy."""
    named = {"name": KeyEntry(found.spec.line, Scalar(found.spec.line, found.name))}
    return replace(found.spec, entries={**named, **found.spec.entries}, source=found.source)


def _name(found: PolicyObject) -> str:
    named = found.spec.entries.get("name")
    return named.value.text if named is not None and isinstance(named.value, Scalar) else found.name


def _ordered(found: PolicyObject, findings: Findings) -> OrderedPool:
    if "stream" in found.spec.entries and (
        own := next((key for key in IN_LINE if key in found.spec.entries), "")
    ):
        place = SourcePlace(found.source, found.spec.entries[own].line, f"spec.{own}")
        findings.problem(place, "expected one of stream, releases and feed, found stream too")
    entry = found.spec.entries.get("order")
    text = entry.value.text if entry is not None and isinstance(entry.value, Scalar) else "0"
    try:
        return OrderedPool(forms.ORDER.read(text), found.name, found)
    except ValueError:
        line = entry.line if entry is not None else found.spec.line
        place = SourcePlace(found.source, line, "spec.order")
        findings.problem(place, f"expected {forms.ORDER.expected}, found '{text[:60]}'")
        return OrderedPool(0, found.name, found)


def _pool(found: PolicyObject) -> Block:
    """Returns the policy as an item of `pools`. A stream of its own has its name."""
    item = _item(found)
    entries = {key: entry for key, entry in item.entries.items() if key not in ("order", *IN_LINE)}
    if _stream(found) is not None and "stream" not in entries:
        entries["stream"] = KeyEntry(item.line, Scalar(item.line, _name(found)))
    return replace(item, entries=entries)


def _stream(found: PolicyObject) -> Block | None:
    """Returns the stream that the policy has for itself, as an item of `streams`."""
    own = {key: entry for key, entry in found.spec.entries.items() if key in IN_LINE}
    if not own:
        return None
    line = found.spec.line
    named = KeyEntry(line, Scalar(line, _name(found)))
    return Block(line, {"name": named, **own}, found.source)
