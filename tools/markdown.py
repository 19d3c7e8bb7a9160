"""What a Markdown file links to, is linked by, names in code, and has as blocks of code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

_READER = MarkdownIt("commonmark").enable("table")


def links(text: str) -> list[str]:
    """The targets of all links and pictures, in their order."""
    found = [inline.attrGet("href") or inline.attrGet("src") for inline in _inlines(text)]
    return [str(each) for each in found if each]


def words_in_code(text: str) -> list[str]:
    """What stands between backticks in a sentence, not in a block."""
    return [inline.content for inline in _inlines(text) if inline.type == "code_inline"]


def blocks(text: str) -> list[tuple[str, str]]:
    """The fenced blocks: the word behind the fence, and the content."""
    return [(each.info.strip(), each.content) for each in _READER.parse(text) if each.type == "fence"]


def anchors(text: str) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    found: set[str] = set()
    tokens = _READER.parse(text)
    for opening, heading in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        plain = "".join(
            each.content for each in heading.children or [] if each.type in ("text", "code_inline")
        )
        base = slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        again = 0
        while slug in found:
            again += 1
            slug = f"{base}-{again}"
        found.add(slug)
    return found


def _inlines(text: str) -> Iterator[Token]:
    for token in _READER.parse(text):
        yield from token.children or []
