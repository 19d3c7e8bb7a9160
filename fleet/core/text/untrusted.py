"""JSON that somebody else wrote: a host, a member of a quorum group, a credential plugin, an API server.

Whoever reads it goes on whatever it is: it is decoded, or refused by one kind of error. How large it may be is for the one
who receives it, since nothing is to be kept of what is too large.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, TypeVar, overload

import msgspec

DEEPEST = 100
"""Lists and mappings inside each other. What is read here has some ten; Python's own stack ends at about a thousand."""
LONGEST_NUMBER = 40
"""Characters of a number. The longest that anybody means have 25."""
UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What msgspec raises for a text that cannot be decoded: for who decodes by a type that has no place for anything deep."""

_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_NUMBER = re.compile(rb"[0-9.eE+-]{%d}" % (LONGEST_NUMBER + 1))
_SPACE = re.compile(r"\s*")
_NO_BRACKET = re.compile(rb"[^\[\]{}]+")
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}

T = TypeVar("T")


class UnreadableError(ValueError):
    """It is no such JSON; the words say why, and quote none of it."""


@overload
def decode(content: str | bytes) -> Any: ...
@overload
def decode(content: str | bytes, kind: type[T]) -> T: ...
def decode(content: str | bytes, kind: Any = Any) -> Any:
    """Raises UnreadableError, and nothing else."""
    try:
        written = content.encode() if isinstance(content, str) else content
        _check(written)
        return msgspec.json.decode(written, type=kind)
    except UNREADABLE as error:
        raise UnreadableError(_words(error)) from None


def decode_each(content: str, kind: type[T]) -> list[T]:
    """Documents one behind the other, perhaps with white space between. Raises UnreadableError, and nothing else."""
    found: list[T] = []
    try:
        _check(content.encode())
        at, decoder = _SPACE.match(content).end(), json.JSONDecoder()  # type: ignore[union-attr]
        while at < len(content):
            _, end = decoder.raw_decode(content, at)
            found.append(msgspec.json.decode(content[at:end], type=kind))
            at = _SPACE.match(content, end).end()  # type: ignore[union-attr]
    except (*UNREADABLE, json.JSONDecodeError) as error:
        raise UnreadableError(_words(error)) from None
    return found


def convert(value: Any, kind: type[T]) -> T:
    """A part of what was decoded, as a value of this type. Raises UnreadableError, and nothing else."""
    try:
        return msgspec.convert(value, kind)
    except UNREADABLE as error:
        raise UnreadableError(_words(error)) from None


def _check(content: bytes) -> None:
    """Before anything is built of it, and in a time that grows with its size alone."""
    bare = _TEXT.sub(b'""', content)
    if _NUMBER.search(bare):
        raise UnreadableError(f"it has a number of more than {LONGEST_NUMBER} characters")
    if bare.count(b"[") + bare.count(b"{") > DEEPEST:
        brackets = _NO_BRACKET.sub(b"", bare)
        if max(accumulate(_STEPS[each] for each in brackets)) > DEEPEST:
            raise UnreadableError(f"it is nested more than {DEEPEST} deep")


def _words(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
