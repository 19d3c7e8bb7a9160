"""Text from clusters and hosts as it may be shown: what would move a cursor, change a colour, turn the reading direction or
begin a line is written out as an escape, so that nobody can make fleet seem to say something else.

The sets are Unicode's general categories: control, format (bidirectional marks and overrides are among them), surrogate,
private use, not assigned, and the line, paragraph and other separators but for the blank.
"""

from __future__ import annotations

KEPT = "\n\t"
"""What may stay in a text of several lines."""
PART = 4096
"""Letters of a long document that are looked at together: a whole journal may be one line."""


def visible(text: str) -> str:
    """One line: line feeds and tabs are written out too. The same text where nothing is to be written out."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def visible_lines(text: str) -> str:
    """A text whose lines and tabs are wanted."""
    if _is_visible(text):
        return text
    return "".join(each if each in KEPT else _escaped(each) for each in text)


def visible_json(text: str) -> str:
    """A JSON document that says the same, in characters that all can be seen. Line feeds between its parts stay."""
    if _is_visible(text):
        return text
    parts = (text[start : start + PART] for start in range(0, len(text), PART))
    return "".join(part if _is_visible(part) else "".join(map(_said, part)) for part in parts)


def _is_visible(text: str) -> bool:
    """Looks at whole lines, since nearly all texts are as they should be and may be long."""
    return all(line.isprintable() for line in text.replace("\t", " ").split("\n"))


def _escaped(letter: str) -> str:
    """As Python writes it: `\\x1b`, `\\u202e`."""
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")


def _said(letter: str) -> str:
    return letter if letter.isprintable() or letter in KEPT else _unicode(letter)


def _unicode(letter: str) -> str:
    """As JSON writes it (RFC 8259, section 7): beyond the first 65,536 by two surrogates."""
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[index : index + 4]}" for index in range(0, len(units), 4))
