"""One object of the policy: from the API as JSON, or from a YAML file as `kubectl apply -f` reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from fleet.config.document.findings import Findings, SourcePlace
from fleet.config.document.fragment import Block, Fragment, Items, KeyEntry, Scalar, compose_all
from fleet.config.objects.kinds import GROUP, KINDS, VERSION, PolicyKind


class PolicyObject(Struct, frozen=True):
    kind: PolicyKind
    name: str
    """The object's name in the API."""
    source: str
    """Its name in messages: `upgradepolicies/workers`, or its file."""
    spec: Block

    @property
    def id(self) -> str:
        """Returns `upgradepolicies/workers`."""
        return f"{self.kind.plural}/{self.name}"


def from_api(found: Mapping[str, Any]) -> PolicyObject | None:
    """Returns an object as the API has it; None where its kind says nothing of the policy."""
    kind = KINDS.get(str(found.get("kind")))
    if kind is None or found.get("apiVersion") != VERSION:
        return None
    name = str(found["metadata"]["name"])
    spec = of_json(found.get("spec") or {})
    return PolicyObject(kind, name, f"{kind.plural}/{name}", spec if isinstance(spec, Block) else Block(0))


def of_json(value: Any) -> Fragment:
    """Returns the value as a part of a document without lines."""
    match value:
        case None:
            return Scalar(0, "", "nothing")
        case bool():
            return Scalar(0, "true" if value else "false", "boolean")
        case int():
            return Scalar(0, str(value), "number")
        case float():
            return Scalar(0, f"{value:.15f}".rstrip("0").rstrip("."), "number")
        case str():
            return Scalar(0, value)
        case list():
            return Items(0, tuple(of_json(each) for each in value))
        case _:
            return Block(0, {key: KeyEntry(0, of_json(each)) for key, each in value.items()})


def in_text(text: str, file: str, findings: Findings) -> Iterator[PolicyObject]:
    """Yields the objects of a YAML text. Objects of other kinds of fleet, such as Rollouts, are left out; everything else is
    a problem. `file`: the name of the text in messages. Raises TooMany."""
    for document in compose_all(text, file, findings):
        if not (isinstance(document, Scalar) and document.kind == "nothing"):
            yield from _objects(document, file, findings)


def _objects(document: Fragment, file: str, findings: Findings) -> Iterator[PolicyObject]:
    items = _part(document, "items")
    if _text(document, "kind").endswith("List") and isinstance(items, Items):
        for item in items.items:
            yield from _objects(item, file, findings)
        return
    version, kind = _text(document, "apiVersion"), KINDS.get(_text(document, "kind"))
    name, spec = _text(_part(document, "metadata"), "name"), _part(document, "spec")
    place = SourcePlace(file, document.line)
    if version.partition("/")[0] != GROUP:
        findings.problem(place, f"expected an object with apiVersion {VERSION}, found '{version[:60]}'")
    elif version != VERSION:
        findings.problem(place, f"expected apiVersion {VERSION}, found '{version[:60]}'")
    elif kind is not None and not name:
        findings.problem(place, "expected metadata.name, found none")
    elif kind is not None:
        if not isinstance(spec, Block):
            findings.problem(place, f"expected the mapping spec of {kind.kind} {name}, found none")
        yield PolicyObject(kind, name, file, spec if isinstance(spec, Block) else Block(document.line))


def _part(fragment: Fragment | None, key: str) -> Fragment | None:
    entry = fragment.entries.get(key) if isinstance(fragment, Block) else None
    return entry.value if entry is not None else None


def _text(fragment: Fragment | None, key: str) -> str:
    found = _part(fragment, key)
    return found.text if isinstance(found, Scalar) else ""
