"""Makes text from clusters and hosts safe to show. Characters that would move the cursor, change a colour, turn the
reading direction or begin a line are written as escapes, so that no such text can be mistaken for fleet's own output.

The sets are Unicode's general categories: control, format (which includes bidirectional marks and overrides),
surrogate, private use, not assigned, and the line, paragraph and other separators except for the blank.
"""

from __future__ import annotations

KEPT = "\n\t"
"""The control characters that are kept in a text of several lines."""
PART = 4096
"""The number of characters of a long document that are checked together: a whole journal may be one line."""


def visible(text: str) -> str:
    """Returns the text as one line: line feeds and tabs are escaped too. Returns the same text if nothing has to be
    escaped."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def visible_lines(text: str) -> str:
    """Returns the text with its line feeds and tabs, and everything else escaped that is not visible."""
    if _is_visible(text):
        return text
    return "".join(letter if letter in KEPT else _escaped(letter) for letter in text)


def visible_json(text: str) -> str:
    """Returns the same JSON document in visible characters only. Line feeds between its parts are kept."""
    if _is_visible(text):
        return text
    parts = (text[start : start + PART] for start in range(0, len(text), PART))
    return "".join(part if _is_visible(part) else "".join(map(_visible_letter, part)) for part in parts)


def _is_visible(text: str) -> bool:
    """Returns whether nothing has to be escaped. Looks at whole lines, because nearly all texts need no escape and may
    be long."""
    return all(line.isprintable() for line in text.replace("\t", " ").split("\n"))


def _escaped(letter: str) -> str:
    """Returns the character, escaped as Python does if it is not printable: `\\x1b`, `\\u202e`."""
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")


def _visible_letter(letter: str) -> str:
    return letter if letter.isprintable() or letter in KEPT else _unicode(letter)


def _unicode(letter: str) -> str:
    """Returns the character escaped as in JSON (RFC 8259, section 7). Characters beyond the first 65,536 become two
    surrogates."""
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[index : index + 4]}" for index in range(0, len(units), 4))
