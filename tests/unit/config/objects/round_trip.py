"""A policy of `fleet.yaml` as objects, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from fleet.config.document.asked_key import AskedKey
from fleet.config.document.findings import Findings
from fleet.config.document.fragment import Block, Items, compose
from fleet.config.objects.exporting import objects_of
from fleet.config.objects.policy_object import from_api
from fleet.config.objects.reading import PolicyRead, read_objects
from fleet.config.policy import PolicyFile, read

Json = dict[str, Any]


def parsed(text: str, folder: Path) -> tuple[PolicyFile, Findings]:
    findings = Findings()
    return read(text, str(folder / "fleet.yaml"), findings), findings


def exported(text: str, folder: Path) -> list[Json]:
    """The objects of a valid policy, as the API would return them."""
    document = compose(text, "fleet.yaml", Findings())
    assert isinstance(document, Block)
    found: list[Json] = json.loads(
        json.dumps(list(objects_of(document, parsed(text, folder)[1].known_keys, folder)))
    )
    return found


def objects_read(objects: Sequence[Json], folder: Path) -> PolicyRead:
    return read_objects([found for each in objects if (found := from_api(each)) is not None], folder)


def given_keys(block: Block, keys: Mapping[str, AskedKey], pattern: str = "") -> Iterator[str]:
    """The keys that a document gives, as `pools[].limits.per_zone`."""
    for key, entry in block.entries.items():
        path = f"{pattern}.{key}" if pattern else key
        yield path
        asked = keys[path]
        if isinstance(entry.value, Block) and asked.kind == "block":
            yield from given_keys(entry.value, keys, path)
        if isinstance(entry.value, Items) and asked.kind == "blocks":
            for item in entry.value.items:
                assert isinstance(item, Block)
                yield from given_keys(item, keys, asked.items or f"{path}[]")


def in_order(content: PolicyFile) -> PolicyFile:
    """The policy with what has no order sorted by name: objects have only names."""
    policy = content.policy
    return replace(
        content,
        policy=replace(
            policy,
            freezes=tuple(sorted(policy.freezes, key=lambda each: each.name)),
            streams=tuple(sorted(policy.streams, key=lambda each: each.name)),
            quorums=tuple(sorted(policy.quorums, key=lambda each: each.name)),
        ),
    )
