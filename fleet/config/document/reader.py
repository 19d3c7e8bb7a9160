"""Reads one mapping, key by key. A value that is not valid is added to the findings, and a default takes its place."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from fleet.config.document.asked_key import AskedKey
from fleet.config.document.bounds import MOST_VALUES, most_items, most_pairs
from fleet.config.document.findings import Findings, SourcePlace
from fleet.config.document.forms import FLAG, ValueForm
from fleet.config.document.fragment import Block, Fragment, Items, KeyEntry, Scalar, is_nothing, shown

T = TypeVar("T")

MOST_SUGGESTED = 1000
"""The most names among which the nearest one is searched, because the search takes time."""
MOST_LISTED = 6
"""The most names that a message lists where none is near; for more names the documentation is the list."""


class Reader:
    """Reads one mapping. Callers ask for every key that the mapping may have, given or not, and then `close` the
    outermost reader: all other keys are unknown.

    A key without a value counts as a key that is missing, where a list or a mapping is allowed.

    Callers ask for keys as `fleet.yaml` spells them.
    """

    def __init__(
        self,
        block: Block,
        file: str,
        findings: Findings,
        path: str = "",
        pattern: str = "",
        folder: Path | None = None,
    ) -> None:
        """Makes a reader of `block`. `path` is for users (`pools.workers.limits`), `pattern` for documents
        (`pools[].limits`). `folder`: the one to which paths in the document are relative; not given: that of the
        file."""
        self.file = file
        self.findings = findings
        self.path = path
        self.pattern = pattern
        self.spelling = findings.spelling
        self.folder = Path(file).absolute().parent if folder is None else folder
        self._block = block
        self._read_keys: set[str] = set()
        self._refused: set[str] = set()
        self._parts: list[Reader] = []

    def has(self, key: str) -> bool:
        entry = self._entry(key)
        return entry is not None and not is_nothing(entry.value)

    def place(self, key: str = "") -> SourcePlace:
        """Returns the place of the key, or of the whole mapping if the key is not given."""
        entry = self._entry(key)
        return SourcePlace(self.file, entry.line if entry else self._block.line, self._path(key))

    def problem(self, message: str, key: str = "") -> None:
        """Adds a problem of the key, which `close` then does not call unknown; of the whole mapping if none is given."""
        self._refused.add(self.spelling.key(key))
        self.findings.problem(self.place(key), message)

    def caution(self, message: str, key: str = "") -> None:
        self.findings.caution(self.place(key), message)

    def value(self, key: str, form: ValueForm[T], default: T) -> T:
        """Returns the value of the key; the default where the key is not given, or its value does not fit the form."""
        entry = self._take(key, AskedKey("value", form))
        return default if entry is None else self._read(entry.value, self._path(key), form, default)

    def flag(self, key: str, default: bool) -> bool:
        entry = self._take(key, AskedKey("value", FLAG))
        if entry is None or is_nothing(entry.value):
            return default
        if isinstance(entry.value, Scalar) and entry.value.text in ("true", "false"):
            return entry.value.text == "true"
        self._wrong(entry.value, self._path(key), "true or false", frozenset(("true", "false")))
        return default

    def required(self, key: str, form: ValueForm[T], instead: T) -> T:
        """Returns the value of a required key. Where the key is missing a problem is added, and `instead` is returned
        to satisfy the type."""
        entry = self._take(key, AskedKey("value", form, required=True))
        if entry is None:
            self.problem(f"expected the key {self.spelling.key(key)} ({form.expected}), found none")
            return instead
        return self._read(entry.value, self._path(key), form, instead)

    def values(self, key: str, form: ValueForm[T], required: bool = False) -> tuple[T, ...]:
        """Returns the values of a list; a single value counts as a list of one. Returns an empty tuple without the
        key, which is a problem if `required` is set."""
        entry = self._take(key, AskedKey("values", form, required=required))
        if entry is None or _empty(entry.value):
            if required:
                self.problem(f"expected at least one of {key} ({form.expected}), found none", key)
            return ()
        parts = entry.value.items if isinstance(entry.value, Items) else (entry.value,)
        self._bound(key, len(parts), MOST_VALUES)
        return tuple(self._all(parts, self._path(key), form))

    def pairs(self, key: str, name: ValueForm[str], form: ValueForm[str]) -> dict[str, str]:
        """Returns a mapping with arbitrary keys."""
        entry = self._take(key, AskedKey("pairs", form, name))
        if entry is None or is_nothing(entry.value):
            return {}
        if not isinstance(entry.value, Block):
            self._wrong(entry.value, self._path(key), "a mapping")
            return {}
        self._bound(key, len(entry.value.entries), most_pairs(key))
        found: dict[str, str] = {}
        for label, pair in entry.value.entries.items():
            path = f"{self._path(key)}.{shown(label)}"
            known = self._read(Scalar(pair.line, label), path, name, "")
            found[known] = self._read(pair.value, path, form, "")
        return found

    def has_text(self, key: str) -> bool:
        """Returns whether the key, which may also have a mapping, has a single value."""
        entry = self._entry(key)
        return entry is not None and isinstance(entry.value, Scalar) and not is_nothing(entry.value)

    def names(self, key: str) -> tuple[str, ...]:
        """Returns the names in a list of mappings, which others read."""
        entry = self._entry(key)
        items = entry.value.items if entry is not None and isinstance(entry.value, Items) else ()
        named = (item.entries.get("name") for item in items if isinstance(item, Block))
        return tuple(name.value.text for name in named if name is not None and isinstance(name.value, Scalar))

    def block(self, key: str) -> Reader:
        """Returns a reader of a mapping; without the key, a reader of an empty one."""
        entry = self._take(key, AskedKey("block"))
        empty = Block(self._block.line if entry is None else entry.line)
        value = empty if entry is None or is_nothing(entry.value) else entry.value
        if not isinstance(value, Block):
            self._wrong(value, self._path(key), "a mapping")
            value = empty
        return self._part(value, self._path(key), self._pattern(key))

    def blocks(self, key: str, required: bool = False, items: str = "") -> list[Reader]:
        """Returns the readers of a list of mappings. Returns an empty list without the key, which is a problem if
        `required` is set. `items`: their pattern, where several lists have the same mappings."""
        entry = self._take(key, AskedKey("blocks", required=required, items=items))
        if entry is None or _empty(entry.value):
            if required:
                self.problem(f"expected a list of at least one of {key}, found none", key)
            return []
        if not isinstance(entry.value, Items):
            self._wrong(entry.value, self._path(key), "a list")
            return []
        self._bound(key, len(entry.value.items), most_items(key))
        found = []
        for index, item in enumerate(entry.value.items):
            path = f"{self._path(key)}{self.spelling.label(shown(_name(item)), index)}"
            if isinstance(item, Block):
                found.append(self._part(item, path, items or f"{self._pattern(key)}[]"))
            else:
                self._wrong(item, path, "a mapping")
        return found

    def close(self) -> None:
        """Adds a problem for every key that was never asked for, here and in all parts."""
        for key, entry in self._block.entries.items():
            if key not in self._read_keys and key not in self._refused:
                known = _nearest(key, self._read_keys) or _few(self._read_keys)
                path = ".".join(part for part in (self.path, shown(key)) if part)
                message = f"expected a known key, found {shown(key)!r}{known}"
                self.findings.problem(SourcePlace(self.file, entry.line, path), message)
        for part in self._parts:
            part.close()

    def _bound(self, key: str, found: int, most: int | None) -> None:
        if most is not None and found > most:
            self.problem(f"expected at most {most} of {self.spelling.key(key)}, found {found}", key)

    def _entry(self, key: str) -> KeyEntry | None:
        return self._block.entries.get(self.spelling.key(key))

    def _take(self, key: str, asked: AskedKey) -> KeyEntry | None:
        self._read_keys.add(self.spelling.key(key))
        self.findings.ask(self._pattern(key), asked)
        return self._entry(key)

    def _path(self, key: str) -> str:
        return ".".join(part for part in (self.path, shown(self.spelling.key(key))) if part)

    def _pattern(self, key: str) -> str:
        return f"{self.pattern}.{key}" if self.pattern else key

    def _part(self, block: Block, path: str, pattern: str) -> Reader:
        """Returns a reader of a part. A part that is another object of the API has places of its own."""
        file = block.source or self.file
        path = self.spelling.root if block.source else path
        part = Reader(block, file, self.findings, path, pattern, self.folder)
        self._parts.append(part)
        return part

    def _all(self, parts: tuple[Fragment, ...], path: str, form: ValueForm[T]) -> list[T]:
        found: list[T] = []
        for part in parts:
            if isinstance(part, Scalar) and part.kind in ("text", "number"):
                try:
                    found.append(form.read(part.text))
                    continue
                except ValueError:
                    pass
            self._wrong(part, path, form.expected, form.known)
        return found

    def _read(self, fragment: Fragment, path: str, form: ValueForm[T], default: T) -> T:
        found = self._all((fragment,), path, form)
        return found[0] if found else default

    def _wrong(self, found: Fragment, path: str, message: str, known: frozenset[str] = frozenset()) -> None:
        text = found.text if isinstance(found, Scalar) else ""
        place = SourcePlace(self.file, found.line, path)
        self.findings.problem(place, f"expected {message}, found {_described(found)}{_nearest(text, known)}")


def _empty(fragment: Fragment) -> bool:
    return is_nothing(fragment) or (isinstance(fragment, Items) and not fragment.items)


def _name(item: Fragment) -> str:
    """Returns the name of an item; empty where it has none."""
    name = item.entries.get("name") if isinstance(item, Block) else None
    return name.value.text if name is not None and isinstance(name.value, Scalar) else ""


def _described(fragment: Fragment) -> str:
    match fragment:
        case Items():
            return "a list"
        case Block():
            return "a mapping"
        case Scalar(kind="nothing"):
            return "nothing"
        case Scalar(kind="boolean"):
            return f"the boolean {fragment.text} (text needs quotes)"
        case Scalar():
            return f"'{shown(fragment.text)}'"


def _few(known: set[str]) -> str:
    return f"; known here: {', '.join(sorted(known))}" if 0 < len(known) <= MOST_LISTED else ""


def _nearest(text: str, known: set[str] | frozenset[str]) -> str:
    if not text or len(known) > MOST_SUGGESTED:
        return ""
    nearest = get_close_matches(text[:60], sorted(known), n=1)
    return f"; the nearest is {nearest[0]}" if nearest else ""
