"""A YAML document as written: each part with its line, before anything is known about its meaning.

The document is built from the parser's events, so that depth and size are bounded while it is read, each part has its
line, and no tag ever constructs an object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal, TypeVar

import yaml
from msgspec import Struct

from fleet.config.document.findings import Findings, SourcePlace

MOST_BYTES = 1 << 20
MOST_PARTS = 100_000
"""The most scalars, lists and mappings in a document, including those that an alias repeats."""
DEEPEST = 20
UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

USER_IN_URL = re.compile(r"(\b[a-z][a-z0-9+.-]{0,30}://)[^/?#\s@]*@", re.IGNORECASE)
"""Matches a user, and perhaps a password, in a URL: RFC 3986, section 3.2.1."""
PASSWORD = re.compile(r":(?!//)[^@/]*@(?!sha(?:256|512):)", re.IGNORECASE)
"""Matches a user and password in an address without a scheme, or with a misspelt one. A text followed by a digest is
an image and does not match."""
QUERY = re.compile(r"(://[^?#]*)[?#].*", re.DOTALL)
"""Matches a query, which may be a signature or a token that allows anyone with the URL to fetch."""

F = TypeVar("F")
ScalarKind = Literal["text", "number", "boolean", "nothing"]
KINDS: dict[str, ScalarKind] = {"int": "number", "float": "number", "bool": "boolean", "null": "nothing"}
"""The kind by the end of YAML's own tag; values with all other tags are text."""


class Scalar(Struct, frozen=True):
    line: int
    text: str
    """The text as written: `01:00` and `1.10` are not converted."""
    kind: ScalarKind = "text"
    """The type that plain YAML would give the value."""


class Items(Struct, frozen=True):
    line: int
    items: tuple[Fragment, ...] = ()


class KeyEntry(Struct, frozen=True):
    line: int
    """The line of the key."""
    value: Fragment


class Block(Struct, frozen=True):
    """A mapping of the document: its entries by key."""

    line: int
    entries: dict[str, KeyEntry] = {}
    source: str = ""
    """The object of the API whose `spec` it is, such as `upgradepolicies/workers`; empty for a part of the document
    around it."""


Fragment = Scalar | Items | Block


def is_nothing(fragment: Fragment) -> bool:
    """Returns whether a key has no value."""
    return isinstance(fragment, Scalar) and fragment.kind == "nothing"


class UnreadableYaml(Exception):
    """Raised where the text cannot be parsed as a document."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def compose(text: str, file: str, findings: Findings) -> Fragment | None:
    """Returns the document. Returns None where the text is no YAML, too large, too deep or empty; the reason is in
    `findings`, except for an empty text.

    Duplicate keys are problems, and the first of them counts. Raises TooMany.
    """
    found = _composed(text, file, findings, lambda composer: (composer.document(),))
    return found[0] if found else None


def compose_all(text: str, file: str, findings: Findings) -> tuple[Fragment, ...]:
    """Returns every document of the text, as `compose` does. Raises TooMany."""
    return _composed(text, file, findings, lambda composer: tuple(composer.documents()))


def _composed(
    text: str, file: str, findings: Findings, read: Callable[[_Composer], tuple[F, ...]]
) -> tuple[F, ...]:
    """Returns what is read; nothing, and a problem, where the text cannot be parsed."""
    try:
        _check(text)
        return read(_Composer(text, file, findings))
    except UnreadableYaml as wrong:
        findings.problem(SourcePlace(file, wrong.line), wrong.message)
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        message = " ".join(part for part in (wrong.context, wrong.problem) if part)
        findings.problem(SourcePlace(file, mark.line + 1 if mark else 1), f"not YAML: {message[:200]}")
    except yaml.YAMLError as wrong:
        findings.problem(SourcePlace(file, 1), f"not YAML: {ascii(str(wrong))[1:200]}")
    return ()


def _check(text: str) -> None:
    if unprintable := UNPRINTABLE.search(text):
        line = text.count("\n", 0, unprintable.start()) + 1
        raise UnreadableYaml(line, f"expected text, found the character {unprintable.group()!a}")
    if len(text.encode()) > MOST_BYTES:
        raise UnreadableYaml(1, f"expected at most {MOST_BYTES >> 20} MiB, found more")


class _Composer:
    def __init__(self, text: str, file: str, findings: Findings) -> None:
        self._loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        self._file = file
        self._findings = findings
        self._parts = 0
        self._anchors: dict[str, tuple[Fragment, int]] = {}
        """Anchored fragments by name, each with its number of parts."""

    def documents(self) -> Iterator[Fragment]:
        self._next()
        while not isinstance(self._loader.peek_event(), yaml.StreamEndEvent):
            self._next()
            self._anchors.clear()
            yield self._fragment("", 0)
            self._next()

    def document(self) -> Fragment | None:
        self._next()
        if isinstance(self._loader.peek_event(), yaml.StreamEndEvent):
            return None
        self._next()
        fragment = self._fragment("", 0)
        self._next()
        after = self._loader.peek_event()
        if not isinstance(after, yaml.StreamEndEvent):
            raise UnreadableYaml(_line(after), "expected one document, found another one")
        return fragment

    def _next(self) -> yaml.Event:
        event: yaml.Event = self._loader.get_event()
        return event

    def _fragment(self, path: str, depth: int) -> Fragment:
        event = self._next()
        line = _line(event)
        if depth > DEEPEST:
            raise UnreadableYaml(line, f"expected at most {DEEPEST} levels, found more")
        before = self._parts
        self._count(1, line)
        fragment: Fragment
        match event:
            case yaml.AliasEvent():
                return self._repeated(event, line)
            case yaml.ScalarEvent():
                fragment = self._scalar(event, line, path)
            case yaml.SequenceStartEvent():
                self._no_tag(event, line, path)
                fragment = self._items(line, path, depth)
            case yaml.MappingStartEvent():
                self._no_tag(event, line, path)
                fragment = self._block(line, path, depth)
            case _:
                raise UnreadableYaml(line, "not YAML: expected a value")
        if event.anchor:
            self._anchors[event.anchor] = (fragment, self._parts - before)
        return fragment

    def _count(self, parts: int, line: int) -> None:
        self._parts += parts
        if self._parts > MOST_PARTS:
            raise UnreadableYaml(
                line, f"expected at most {MOST_PARTS} values, found more (aliases are counted in full)"
            )

    def _repeated(self, event: yaml.AliasEvent, line: int) -> Fragment:
        # An anchor is known only after its end, so that nothing can contain itself.
        if event.anchor not in self._anchors:
            raise UnreadableYaml(line, f"expected an anchor before its alias, found only *{event.anchor}")
        fragment, parts = self._anchors[event.anchor]
        self._count(parts, line)
        return fragment

    def _scalar(self, event: yaml.ScalarEvent, line: int, path: str) -> Scalar:
        self._no_tag(event, line, path)
        tag: str = self._loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        return Scalar(line, event.value, KINDS.get(tag.rpartition(":")[2], "text"))

    def _no_tag(
        self, event: yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent, line: int, path: str
    ) -> None:
        if event.tag not in (None, "!"):
            self._findings.problem(
                SourcePlace(self._file, line, path),
                f"expected a plain value, found the tag {ascii(event.tag)[:60]}",
            )

    def _items(self, line: int, path: str, depth: int) -> Items:
        found: list[Fragment] = []
        while not isinstance(self._loader.peek_event(), yaml.SequenceEndEvent):
            found.append(self._fragment(f"{path}[{len(found)}]", depth + 1))
        self._next()
        return Items(line, tuple(found))

    def _block(self, line: int, path: str, depth: int) -> Block:
        entries: dict[str, KeyEntry] = {}
        while not isinstance(self._loader.peek_event(), yaml.MappingEndEvent):
            key = self._fragment(path, depth + 1)
            name = key.text if isinstance(key, Scalar) else ""
            here = f"{path}.{shown(name)}" if path else shown(name)
            value = self._fragment(here, depth + 1)
            if not isinstance(key, Scalar):
                self._findings.problem(
                    SourcePlace(self._file, key.line, path), "expected a key, found a list or mapping"
                )
            elif name == "<<":
                message = "expected no merge key (what pools share goes under defaults), found <<"
                self._findings.problem(SourcePlace(self._file, key.line, path), message)
            elif name in entries:
                message = f"expected each key once, found it again (first on line {entries[name].line})"
                self._findings.problem(SourcePlace(self._file, key.line, here), message)
            else:
                entries[name] = KeyEntry(key.line, value)
        self._next()
        return Block(line, entries)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def shown(text: str) -> str:
    """Returns the text for a message: one line, printable, shortened, and without the secrets that a URL may have."""
    bare = PASSWORD.sub(":[hidden]@", USER_IN_URL.sub(r"\1[hidden]@", text))
    plain = repr(QUERY.sub(r"\1?[hidden]", bare))[1:-1]
    return plain if len(plain) <= 60 else f"{plain[:57]}..."
