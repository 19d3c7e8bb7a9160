"""Decodes JSON from untrusted sources: a host, a member of a quorum group, a credential plugin, an API server.

Whatever the content is, it is decoded or refused with one kind of error, so that the reader can go on. The receiver
limits the size of the content, since content that is too large must not be kept in memory at all.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, TypeVar, overload

import msgspec

DEEPEST = 100
"""The deepest nesting of lists and mappings. Valid content has about ten levels; Python's own stack ends at about a
thousand."""
LONGEST_NUMBER = 40
"""The most characters of a number. The longest number that makes sense has 25."""
UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""The errors that msgspec raises for content that cannot be decoded. For callers that decode into a type which cannot
contain anything deeply nested."""

_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_NUMBER = re.compile(rb"[0-9.eE+-]{%d}" % (LONGEST_NUMBER + 1))
_SPACE = re.compile(r"\s*")
_NO_BRACKET = re.compile(rb"[^\[\]{}]+")
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}

T = TypeVar("T")


class UnreadableError(ValueError):
    """The content is not JSON of the expected type. The message gives the reason and quotes nothing of the content."""


@overload
def decode(content: str | bytes) -> Any: ...
@overload
def decode(content: str | bytes, kind: type[T]) -> T: ...
def decode(content: str | bytes, kind: Any = Any) -> Any:
    """Returns the decoded content. Raises UnreadableError, and no other error."""
    try:
        written = content.encode() if isinstance(content, str) else content
        _check(written)
        return msgspec.json.decode(written, type=kind)
    except UNREADABLE as error:
        raise UnreadableError(_message(error)) from None


def decode_each(content: str, kind: type[T]) -> list[T]:
    """Returns the documents of a text that contains several in a row, with or without white space between them. Raises
    UnreadableError, and no other error."""
    documents: list[T] = []
    try:
        _check(content.encode())
        at, decoder = _SPACE.match(content).end(), json.JSONDecoder()  # type: ignore[union-attr]
        while at < len(content):
            _, end = decoder.raw_decode(content, at)
            documents.append(msgspec.json.decode(content[at:end], type=kind))
            at = _SPACE.match(content, end).end()  # type: ignore[union-attr]
    except (*UNREADABLE, json.JSONDecodeError) as error:
        raise UnreadableError(_message(error)) from None
    return documents


def convert(value: Any, kind: type[T]) -> T:
    """Returns a part of decoded content as a value of this type. Raises UnreadableError, and no other error."""
    try:
        return msgspec.convert(value, kind)
    except UNREADABLE as error:
        raise UnreadableError(_message(error)) from None


def _check(content: bytes) -> None:
    """Raises UnreadableError for long numbers and deep nesting, before anything is built from the content. The time
    grows only linearly with the size of the content."""
    bare = _TEXT.sub(b'""', content)
    if _NUMBER.search(bare):
        raise UnreadableError(f"it has a number of more than {LONGEST_NUMBER} characters")
    if bare.count(b"[") + bare.count(b"{") > DEEPEST:
        brackets = _NO_BRACKET.sub(b"", bare)
        if max(accumulate(_STEPS[bracket] for bracket in brackets)) > DEEPEST:
            raise UnreadableError(f"it is nested more than {DEEPEST} deep")


def _message(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
