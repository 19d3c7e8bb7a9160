"""Parses YAML as kubectl does: sigs.k8s.io/yaml over go.yaml.in/yaml/v2, which then converts to JSON.

PyYAML reads other words as numbers and dates, and does not read JSON with tabs:
https://github.com/yaml/go-yaml/blob/v2/resolve.go.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

MOST_VALUES = 1_000_000
"""The most values of a document once its aliases are expanded: a few lines of aliases can expand to more than memory
holds."""

_BOOL = re.compile(r"^(?:[yYnN]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$")
_TRUE = frozenset({"y", "yes", "true", "on"})
_NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
_NUMBER = re.compile(
    r"^[-+]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+"
    r"|(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?)$"
)
_QUOTED = re.compile(r"'.*'", re.DOTALL)


class NotReadError(ValueError):
    """An error in the document. The message quotes nothing of the content, which may hold secrets."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line
        """The line, counted from 1; 0: unknown."""


class _Loader(yaml.SafeLoader):
    """A loader that reads scalars, keys and repeated keys (the last one wins) as Go's does."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as PyYAML declares them

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(None, None, "expected a mapping", node.start_mark)
        self.flatten_mapping(node)
        return {self._key(key): self.construct_object(value, deep=deep) for key, value in node.value}

    def _key(self, node: Any) -> str:
        found = self.construct_object(node)
        if isinstance(found, bool):
            return "true" if found else "false"
        if isinstance(found, (str, int, float)):
            return str(found)
        raise yaml.constructor.ConstructorError(None, None, "a key is not text", node.start_mark)

    def mapping(self, node: Any) -> Any:
        found: dict[str, Any] = {}
        yield found
        found.update(self.construct_mapping(node))

    def boolean(self, node: Any) -> bool:
        return str(self.construct_scalar(node)).lower() in _TRUE

    def number(self, node: Any) -> int | float:
        plain = str(self.construct_scalar(node)).replace("_", "")
        octal = re.fullmatch(r"([-+]?)0([0-7]+)", plain)
        try:
            return int(f"{octal[1]}0o{octal[2]}" if octal else plain, 0)
        except ValueError:
            return float(plain)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOL, list("yYnNtTfFoO"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", _NULL, ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:fleet.internal,2026:number", _NUMBER, list("-+.0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("^<<$"), ["<"])
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.mapping)
_Loader.add_constructor("tag:yaml.org,2002:bool", _Loader.boolean)
_Loader.add_constructor("tag:fleet.internal,2026:number", _Loader.number)


def document(content: bytes) -> Any:
    """Returns the first document, JSON or YAML, as plain values; None where there is none. Raises NotReadError."""
    try:
        found = _json(content) if content.lstrip()[:1] in (b"{", b"[") else _yaml(content)
        if _values(found, {}, set()) > MOST_VALUES:
            raise NotReadError("its aliases expand to too much")
    except RecursionError:
        raise NotReadError("it is nested too deeply") from None
    return found


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return _yaml(content)


def _yaml(content: bytes) -> Any:
    try:
        loader = _Loader(content)
        try:
            return loader.get_data() if loader.check_data() else None  # type: ignore[no-untyped-call]
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        # The message of the error quotes the file: a token may look like an alias or a tag.
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 0
        raise NotReadError(_QUOTED.sub("…", error.problem or ""), line) from None
    except yaml.reader.ReaderError as error:
        raise NotReadError(f"it contains bytes that are not text: {error.reason}") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        # ValueError is raised for a value that is tagged as a date and is none, and for a number of thousands of
        # digits.
        raise NotReadError("it contains a value that cannot be read") from None


def _values(found: Any, known: dict[int, int], above: set[int]) -> int:
    """Counts the values once aliases are expanded. Raises NotReadError for a value that contains itself."""
    if isinstance(found, str):
        if not found.isascii() and found.encode(errors="replace").decode() != found:
            raise NotReadError("it contains half of a character")
        return 1
    if not isinstance(found, (dict, list)):
        return 1
    own = id(found)
    if own in above:
        raise NotReadError("a value contains itself")
    if own not in known:
        above.add(own)
        inner = [*found, *found.values()] if isinstance(found, dict) else found
        known[own] = 1 + sum(_values(child, known, above) for child in inner)
        above.discard(own)
    return known[own]
