"""Writes objects as one `fleet.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from fleet.config.document.asked_key import AskedKey
from fleet.config.document.findings import Findings
from fleet.config.document.fragment import Block, Fragment, Items, Scalar
from fleet.config.document.spelling import camel
from fleet.config.objects.document import document_of
from fleet.config.objects.policy_object import PolicyObject

ORDER = (
    *(
        "streams",
        "limits",
        "freezes",
        "schedule",
        "windows",
        "sites",
        "clusters",
        "quorums",
        "stages",
        "hooks",
    ),
    *("notifications", "access", "defaults", "pools"),
)
"""The keys of the top level in the order in which `fleet init` writes them."""

Keys = Mapping[str, AskedKey]


def file_of(objects: Iterable[PolicyObject], keys: Keys) -> str:
    """Returns the text of `fleet.yaml` for objects that were read without mistakes. `keys`: those that the reader has
    asked for."""
    document, _ = document_of(objects, Findings())
    found = _mapping(document, "", keys)
    ordered = {key: found[key] for key in ORDER if key in found}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=110)


def _mapping(block: Block, pattern: str, keys: Keys) -> dict[str, Any]:
    """Returns the mapping with the keys of `fleet.yaml`."""
    start = f"{pattern}." if pattern else ""
    names = (key[len(start) :] for key in keys if key.startswith(start) and "." not in key[len(start) :])
    spelled = {camel(name): name for name in names}
    found = {}
    for key, entry in block.entries.items():
        name = spelled[key]
        found[name] = _value(entry.value, f"{start}{name}", keys)
    return found


def _value(value: Fragment, path: str, keys: Keys) -> Any:
    asked = keys[path]
    if isinstance(value, Items):
        pattern = asked.items or f"{path}[]"
        return [
            _mapping(item, pattern, keys) if isinstance(item, Block) else _scalar(item)
            for item in value.items
        ]
    if isinstance(value, Block):
        if asked.kind == "pairs":
            return {key: _scalar(entry.value) for key, entry in value.entries.items()}
        return _mapping(value, path, keys)
    return _scalar(value)


def _scalar(value: Fragment) -> Any:
    """Returns the value as YAML writes it: numbers and booleans plain where that changes nothing (`1.10` is not `1.1`), and
    text in quotes where it looks like them."""
    if not isinstance(value, Scalar) or value.kind == "nothing":
        return None
    if value.kind == "boolean":
        return value.text == "true"
    number = yaml.safe_load(value.text) if value.kind == "number" else value.text
    return number if str(number) == value.text else value.text
