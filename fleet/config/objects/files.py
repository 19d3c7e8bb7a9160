"""`fleet.yaml` as objects, and objects as `fleet.yaml`: what `fleet policy export` and `fleet policy import` do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from fleet.config.document import forms
from fleet.config.document.asked_key import AskedKey
from fleet.config.document.findings import Findings, TooMany
from fleet.config.document.fragment import Block, Fragment, Items, Scalar, compose
from fleet.config.document.spelling import OBJECTS
from fleet.config.objects.exporting import JsonObject, Keys, objects_of
from fleet.config.objects.importing import file_of
from fleet.config.objects.kinds import POOL
from fleet.config.objects.policy_object import in_text
from fleet.config.objects.reading import read_into
from fleet.config.policy import load_file, read
from fleet.config.stream import text_of
from fleet.core.records.errors import ConfigError, UsageError

LOST = "# From objects of the API, by fleet policy import. Comments of the policy that they came from are not in them.\n"


class ExportedPolicy(Struct, frozen=True):
    """A policy as objects."""

    objects: tuple[JsonObject, ...]
    files: tuple[str, ...]
    """Paths in it, which have to be there where fleet runs in the cluster."""
    calendars: tuple[str, ...]
    """The hosts of calendars whose URLs are in the objects: they may be secrets."""


def export(path: Path) -> ExportedPolicy:
    """Returns the policy of the file as objects. Raises UsageError and ConfigError as `load` does."""
    file, _ = load_file(path)
    findings = Findings()
    text = text_of(path)
    read(text, str(path), findings)
    document = compose(text, str(path), findings)
    assert isinstance(document, Block)
    named = tuple(dict.fromkeys(_files(document, "", findings.known_keys)))
    return ExportedPolicy(
        tuple(objects_of(document, findings.known_keys, path.parent)),
        tuple(each for each in named if "://" not in each),
        file.feeds,
    )


def import_texts(texts: Iterable[tuple[str, str]], folder: Path) -> str:
    """Returns the text of `fleet.yaml` for the objects in these YAML texts, each with its name in messages. `folder`: where
    the file is to be; paths in it are relative to that. Raises ConfigError with all mistakes, UsageError where there is
    no UpgradePolicy."""
    findings = Findings(OBJECTS)
    hint = "fix them; docs/crds.md has every kind, and kubectl explain every key"
    try:
        objects = [found for name, text in texts for found in in_text(text, name, findings)]
        if not findings.problems:
            read_into(objects, folder, findings)
    except TooMany:
        raise ConfigError([*findings.problems, "more problems: the rest was not checked"], hint) from None
    if findings.problems:
        raise ConfigError(findings.problems, hint)
    if not any(each.kind.kind == POOL for each in objects):
        raise UsageError(
            f"there is no {POOL} among the objects", "kubectl get fleet -o yaml | fleet policy import -"
        )
    return LOST + file_of(objects, findings.known_keys)


def _files(value: Fragment, path: str, keys: Keys) -> Iterator[str]:
    """Yields the paths that a mapping has, at any depth."""
    if not isinstance(value, Block):
        return
    for key, entry in value.entries.items():
        name = f"{path}.{key}" if path else key
        asked = keys[name]
        if asked.form is forms.FILE:
            yield from _paths(entry.value, asked)
        elif isinstance(entry.value, Items) and asked.kind == "blocks":
            for item in entry.value.items:
                yield from _files(item, asked.items or f"{name}[]", keys)
        elif asked.kind == "block":
            yield from _files(entry.value, name, keys)


def _paths(value: Fragment, asked: AskedKey) -> Iterator[str]:
    if isinstance(value, Scalar):
        yield value.text
    elif isinstance(value, Block) and asked.kind == "pairs":
        yield from (entry.value.text for entry in value.entries.values() if isinstance(entry.value, Scalar))
