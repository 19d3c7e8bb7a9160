"""Styled text as it may be shown; see `fleet.core.text.visible`."""

from __future__ import annotations

from rich.text import Text

from fleet.core.text.visible import visible_lines


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
