"""Writes a policy of `fleet.yaml` as objects: the document as it is written, key by key. Only its comments are lost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fleet.config.document.asked_key import AskedKey
from fleet.config.document.findings import Findings
from fleet.config.document.fragment import Block, Fragment, Items, KeyEntry, Scalar, compose, is_nothing
from fleet.config.document.spelling import camel
from fleet.config.objects.kinds import CONFIG, DEFAULT, KINDS, LISTS, POOL, STREAM, VERSION, PolicyKind
from fleet.config.stream import text_of

STEP = 10
"""The distance between the orders of two policies: others fit in between."""
LONGEST_NAME = 100
_NUMBER = re.compile(r"[0-9]{1,7}")
_ODD = re.compile(r"[^a-z0-9.-]+")

JsonObject = dict[str, Any]
Keys = Mapping[str, AskedKey]


def objects_of(document: Block, keys: Keys, folder: Path) -> Iterator[JsonObject]:
    """Yields the objects of a document that was read without mistakes. `keys`: those that its reader has asked for.
    `folder`: the policy's, in which the files of streams are; their releases are written into the objects."""
    top = Block(0, {key: entry for key, entry in document.entries.items() if key not in LISTS})
    if top.entries:
        yield _object(KINDS[CONFIG], DEFAULT, _mapping(top, "", keys))
    for kind in LISTS.values():
        entry = document.entries.get(kind.list)
        items = entry.value.items if entry is not None and isinstance(entry.value, Items) else ()
        names: set[str] = set()
        for number, item in enumerate(item for item in items if isinstance(item, Block)):
            written = _with_releases(item, folder) if kind.kind == STREAM else item
            spec = _mapping(written, f"{kind.list}[]", keys)
            yield _named(kind, spec, number, names)


def _named(kind: PolicyKind, spec: JsonObject, number: int, names: set[str]) -> JsonObject:
    """Returns the object. A name that the API does not allow stays in the spec."""
    own = str(spec.pop("name"))
    name = object_name(own, names)
    names.add(name)
    kept = {"name": own} if name != own else {}
    order = {"order": (number + 1) * STEP} if kind.kind == POOL else {}
    return _object(kind, name, {**kept, **order, **spec})


def object_name(name: str, taken: set[str]) -> str:
    """Returns a name that the API allows for an object and that no other one has (RFC 1123, subdomain)."""
    labels = (label.strip("-") for label in _ODD.sub("-", name.lower()).split("."))
    bare = ".".join(label for label in labels if label)[: LONGEST_NAME - 4].rstrip("-.") or "unnamed"
    found, number = bare, 1
    while found in taken:
        number += 1
        found = f"{bare}-{number}"
    return found


def _object(kind: PolicyKind, name: str, spec: JsonObject) -> JsonObject:
    return {"apiVersion": VERSION, "kind": kind.kind, "metadata": {"name": name}, "spec": spec}


def _with_releases(stream: Block, folder: Path) -> Block:
    """Returns a stream with the releases of its file in the file's place."""
    entry = stream.entries.get("file")
    if entry is None or not isinstance(entry.value, Scalar):
        return stream
    file = folder / entry.value.text
    read = compose(text_of(file), str(file), Findings())
    kept = {key: each for key, each in stream.entries.items() if key != "file"}
    releases = read.entries["releases"] if isinstance(read, Block) else KeyEntry(0, Items(0))
    return Block(stream.line, {**kept, "releases": releases})


def _mapping(block: Block, pattern: str, keys: Keys) -> JsonObject:
    """Returns the mapping as JSON, with keys in camelCase."""
    found: JsonObject = {}
    for key, entry in block.entries.items():
        if is_nothing(entry.value):
            continue
        path = f"{pattern}.{key}" if pattern else key
        found[camel(key)] = _value(entry.value, path, _asked(keys, path), keys)
    return found


def _asked(keys: Keys, path: str) -> AskedKey:
    """Returns what was asked of the key. The releases of files were asked for by another path."""
    if path in keys:
        return keys[path]
    return keys[path.replace("streams[].", "file.", 1)]


def _value(value: Fragment, path: str, asked: AskedKey, keys: Keys) -> Any:
    match asked.kind:
        case "value":
            return _scalar(value, asked)
        case "values":
            parts = value.items if isinstance(value, Items) else (value,)
            return [_scalar(part, asked) for part in parts]
        case "pairs":
            entries = value.entries if isinstance(value, Block) else {}
            return {key: _scalar(entry.value, asked) for key, entry in entries.items()}
        case "block" if isinstance(value, Scalar):
            # `upgrade: auto` is short for a mapping.
            return {"mode": value.text}
        case "block":
            return _mapping(value, path, keys) if isinstance(value, Block) else {}
        case "blocks":
            items = value.items if isinstance(value, Items) else ()
            pattern = asked.items or f"{path}[]"
            return [_mapping(item, pattern, keys) for item in items if isinstance(item, Block)]


def _scalar(value: Fragment, asked: AskedKey) -> Any:
    """Returns the value in the type of its schema."""
    text = value.text if isinstance(value, Scalar) else ""
    schema = asked.form.schema if asked.form is not None else {}
    match schema.get("type", "either"):
        case "boolean":
            return text == "true"
        case "integer":
            return int(text)
        case "number":
            return int(text) if text.lstrip("-").isdigit() else float(text)
        case "either":
            return int(text) if _NUMBER.fullmatch(text) else text
        case _:
            return text
