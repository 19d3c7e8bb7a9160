"""Styled text as it may be shown; see `fleet.core.text.visible`."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from fleet.cli.terminal.program import as_typed, text_as_typed
from fleet.core.text.visible import visible_lines


class Screen(Console):
    """A terminal or a pipe on which everything that is printed is visible, and commands are as the user types them."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(_visible(part) for part in objects), **options)


def _visible(printed: Any) -> Any:
    if isinstance(printed, Text):
        return visible_text(text_as_typed(printed))
    return visible_lines(as_typed(printed)) if isinstance(printed, str) else printed


def visible_text(text: Text) -> Text:
    """Returns the same text and styles, with what must not reach a terminal written out. Lines stay as they are."""
    plain = text.plain
    if visible_lines(plain) == plain:
        return text
    odd = [index for index, letter in enumerate(plain) if visible_lines(letter) != letter]
    cuts = sorted({edge for index in odd for edge in (index, index + 1)} - {0, len(plain)})
    found = Text(style=text.style)
    for part in text.divide(cuts):
        written = visible_lines(part.plain)
        found.append_text(part if written == part.plain else Text(written, part.style))
    return found
