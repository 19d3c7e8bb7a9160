"""The OpenAPI schemas of the CRDs, from what the reader of `fleet.yaml` asks for and from structs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from fleet.config.document.asked_key import AskedKey
from fleet.config.document.bounds import MOST_VALUES, most_items, most_pairs
from fleet.config.document.findings import Findings, SourcePlace
from fleet.config.document.spelling import OBJECTS, camel
from fleet.config.policy import read
from tools.crds.rules import Rule, rules_of

HERE = Path(__file__).parent
POLICY = HERE.parents[1] / "docs" / "policy.md"
LINK = re.compile(r"\[([^]]+)]\([^)]+\)")
TAG = re.compile(r"</?code>|\*\*")

Schema = dict[str, Any]


class EveryKey(Findings):
    """Collects what is asked for, and no mistakes."""

    def problem(self, place: SourcePlace, message: str) -> None:
        pass


def every_key() -> dict[str, AskedKey]:
    """Returns all keys of `fleet.yaml`: `pools[].limits.per_zone`. The keys of hooks are `hook.…`."""
    findings = EveryKey()
    read((HERE / "every_key.yaml").read_text(encoding="utf-8"), "every_key.yaml", findings)
    return findings.known_keys


class Meanings:
    """The meanings of keys, from docs/policy.md."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._rows: dict[str, tuple[str, str]] = {}
        headings: list[str] = []
        for line in POLICY.read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in line.replace("&#124;", "¦").strip().strip("|").split(" | ")]
            cells = [cell.removeprefix("| ").removesuffix(" |").strip("| ") for cell in cells]
            if line.startswith("| key |"):
                headings = cells
            elif line.startswith("| `") and headings:
                row = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.replace("&#124;", "¦"))[1:-1]]
                default = row[1] if len(headings) == 3 else ""
                self._rows[row[0].strip("`")] = (default, row[-1])

    def of(self, pattern: str, asked: AskedKey) -> str:
        """Returns what users read about the key in `kubectl explain`."""
        parts = pattern.split(".")
        ends = (".".join(parts[start:]) for start in range(len(parts)))
        default, meaning = next((self._rows[end] for end in ends if end in self._rows), ("", ""))
        sentences = [self._sentence(meaning)] if meaning else []
        if asked.form is not None and "pattern" in asked.form.schema:
            sentences.append(self._sentence(asked.form.expected))
        if default:
            sentences.append(f"Default: {self._plain(default)}.")
        return " ".join(sentences)

    def _sentence(self, text: str) -> str:
        plain = self._plain(text)
        return f"{plain[:1].upper()}{plain[1:]}{'' if plain.endswith('.') else '.'}"

    def _plain(self, text: str) -> str:
        bare = TAG.sub("", LINK.sub(r"\1", text)).replace("`", "").replace("¦", "|")
        return OBJECTS.message(bare, self._names)


def validations(rules: tuple[Rule, ...]) -> Schema:
    if not rules:
        return {}
    return {"x-kubernetes-validations": [{"rule": each.rule, "message": each.message} for each in rules]}


class FileSchema:
    """The schemas of the mappings of `fleet.yaml`."""

    def __init__(self) -> None:
        self.keys = every_key()
        names = frozenset(key.rpartition(".")[2].removesuffix("[]") for key in self.keys)
        self._meanings = Meanings(names)

    def children(self, pattern: str) -> list[str]:
        """Returns the keys of a mapping; empty: the outermost one."""
        start = f"{pattern}." if pattern else ""
        return [key for key in self.keys if key.startswith(start) and "." not in key[len(start) :]]

    def mapping(self, pattern: str, left_out: frozenset[str] = frozenset()) -> Schema:
        """Returns the schema of a mapping without some of its keys."""
        properties, required = {}, []
        for key in self.children(pattern):
            name = key.rpartition(".")[2]
            if name in left_out:
                continue
            asked = self.keys[key]
            properties[camel(name)] = self._value(key, asked)
            if asked.kind == "value" and asked.required:
                required.append(camel(name))
        found: Schema = {"type": "object"}
        if required:
            found["required"] = required
        return {**found, "properties": properties, **validations(rules_of(pattern))}

    def _value(self, key: str, asked: AskedKey) -> Schema:
        described = {"description": text} if (text := self._meanings.of(key, asked)) else {}
        form = dict(asked.form.schema) if asked.form is not None else {}
        match asked.kind:
            case "value":
                return {**described, **form}
            case "values":
                least = {"minItems": 1} if asked.required else {}
                return {**described, "type": "array", **least, "maxItems": MOST_VALUES, "items": form}
            case "pairs":
                most = {"maxProperties": most_pairs(key.rpartition(".")[2])}
                rules = validations(rules_of(key))
                return {**described, "type": "object", **most, "additionalProperties": form, **rules}
            case "block":
                return {**described, **self.mapping(key)}
            case "blocks":
                return {**described, **self._list(key, asked)}

    def _list(self, key: str, asked: AskedKey) -> Schema:
        name = key.rpartition(".")[2]
        items = self.mapping(asked.items or f"{key}[]")
        most = most_items(name)
        found: Schema = {"type": "array", **({} if most is None else {"maxItems": most})}
        if asked.required:
            found["minItems"] = 1
        if unique := next((each for each in ("name", "id") if each in items.get("required", ())), None):
            found |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [unique]}
        return {**found, "items": items}


def of_struct(struct: type[msgspec.Struct]) -> Schema:
    """Returns the schema of a struct of `fleet.core.custom_resources`, without references."""
    (top,), parts = msgspec.json.schema_components([struct], ref_template="{name}")
    return _structural(top, parts)


def _structural(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> Schema:
    """Returns the schema as CRDs may have it."""
    if "$ref" in schema:
        schema = {**parts[schema["$ref"]], **{key: value for key, value in schema.items() if key != "$ref"}}
    kept = {
        key: value for key, value in schema.items() if key not in ("title", "default", "properties", "items")
    }
    if not kept.get("required", True):
        del kept["required"]
    if "enum" in kept:
        kept["type"] = "string"
    if kept.get("type") == "integer":
        kept["format"] = "int32" if "observed" not in str(kept.get("description")) else "int64"
    if "properties" in schema:
        kept["properties"] = {key: _structural(value, parts) for key, value in schema["properties"].items()}
    if schema.get("type") == "array":
        kept["items"] = items = _structural(schema["items"], parts)
        key = next((each for each in ("type", "user") if each in items.get("required", ())), None)
        if key is not None:
            kept |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
    return kept
