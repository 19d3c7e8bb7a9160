"""Reads a Markdown file: its links, its anchors, its code in sentences, and its blocks of code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

_READER = MarkdownIt("commonmark").enable("table")


def links(text: str) -> list[str]:
    """Returns the targets of all links and pictures, in their order."""
    targets = [inline.attrGet("href") or inline.attrGet("src") for inline in _inlines(text)]
    return [str(target) for target in targets if target]


def words_in_code(text: str) -> list[str]:
    """Returns the texts between backticks in sentences, without blocks of code."""
    return [inline.content for inline in _inlines(text) if inline.type == "code_inline"]


def blocks(text: str) -> list[tuple[str, str]]:
    """Returns the fenced blocks: the language after the fence, and the content."""
    return [(token.info.strip(), token.content) for token in _READER.parse(text) if token.type == "fence"]


def anchors(text: str) -> set[str]:
    """Returns the anchors of the headings, as GitHub makes them."""
    found: set[str] = set()
    tokens = _READER.parse(text)
    for opening, heading in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        plain = "".join(
            part.content for part in heading.children or [] if part.type in ("text", "code_inline")
        )
        base = slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count = 0
        while slug in found:
            count += 1
            slug = f"{base}-{count}"
        found.add(slug)
    return found


def _inlines(text: str) -> Iterator[Token]:
    for token in _READER.parse(text):
        yield from token.children or []
