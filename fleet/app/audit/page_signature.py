"""The signature of an HTML report: the last line of the file, a comment, over all bytes before it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fleet.store.journal.tampering import JournalFinding

if TYPE_CHECKING:
    from fleet.store.journal.signing import PrivateKey, PublicKey

_LINE = re.compile(rb"<!-- fleet signature ([0-9a-f]{16}) ([A-Za-z0-9+/=]+) -->\n", re.ASCII)
LONGEST = 300
"""Bytes of the last line."""


def signed(page: str, key: PrivateKey) -> str:
    """Returns the page with its signature as the last line."""
    whole = page if page.endswith("\n") else f"{page}\n"
    return f"{whole}<!-- fleet signature {key.public.id} {key.sign_page(whole.encode())} -->\n"


def findings(content: bytes, keys: Sequence[PublicKey]) -> Iterator[JournalFinding]:
    """Yields what is wrong with the signature of a page. None: not one byte was changed since it was signed."""
    begin = content.rfind(b"<!-- fleet signature ", max(0, len(content) - LONGEST))
    found = _LINE.fullmatch(content[begin:]) if begin >= 0 else None
    if found is None:
        yield JournalFinding(0, "unsigned", "the page has no signature as its last line")
        return
    name, signature = (part.decode("ascii") for part in found.groups())
    if all(key.id != name for key in keys):
        yield JournalFinding(0, "forged", f"the page is signed with another key: {name}")
    elif not any(key.id == name and key.signed_page(content[:begin], signature) for key in keys):
        yield JournalFinding(
            0, "forged", "the page was changed after it was signed: its signature does not hold"
        )
