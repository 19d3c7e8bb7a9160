"""Decodes the text of files that users bring: UTF-8, or what a byte order mark before it says.

Excel writes a mark before a CSV, and PowerShell's `>` writes UTF-16 with one. YAML 1.2 (5.2, Character Encodings) asks of
its readers to accept both; RFC 8259 (8.1) lets readers of JSON ignore a mark.
"""

from __future__ import annotations

import codecs

MARKS = (
    # UTF-32 first: its mark in little endian begins as that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decoded(content: bytes) -> str:
    """Returns the text without its byte order mark. Raises UnicodeDecodeError where it is not of that encoding."""
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8-sig")
    return content.decode(encoding)


def in_utf8(content: bytes) -> bytes:
    """Returns the text as UTF-8 without a byte order mark. What has no mark is returned as it is, also where it is no
    text at all. Raises UnicodeDecodeError where the text is not of the encoding that its mark names."""
    if content.startswith(codecs.BOM_UTF8):
        return content.removeprefix(codecs.BOM_UTF8)
    return decoded(content).encode() if content.startswith(tuple(mark for mark, _ in MARKS)) else content
