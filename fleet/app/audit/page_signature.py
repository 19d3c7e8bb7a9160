"""The last lines of an HTML report: the same report as JSON, and the signature over all bytes before it.

Both are comments. The JSON lets an auditor compute the figures again; it is compressed (zlib, RFC 1950) and in base64.
"""

from __future__ import annotations

import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fleet.store.journal.tampering import JournalFinding

if TYPE_CHECKING:
    from fleet.store.journal.signing import PrivateKey, PublicKey

_LINE = re.compile(rb"<!-- fleet signature ([0-9a-f]{16}) ([A-Za-z0-9+/=]+) -->\n", re.ASCII)
_EVIDENCE = re.compile(rb"\n<!-- fleet report as json ([A-Za-z0-9+/=]+) -->\n\Z", re.ASCII)
_BEGIN = b"\n<!-- fleet report as json "
LONGEST = 300
"""Bytes of the last line."""
LARGEST = 1 << 30
"""The most bytes of a report as JSON that are unpacked."""


def signed(page: str, key: PrivateKey, report: bytes) -> str:
    """Returns the page with the report as JSON, and with its signature as the last line."""
    packed = b64encode(zlib.compress(report, 9)).decode("ascii")
    whole = f"{page if page.endswith(chr(10)) else page + chr(10)}<!-- fleet report as json {packed} -->\n"
    return f"{whole}<!-- fleet signature {key.public.id} {key.sign_page(whole.encode())} -->\n"


def report_in(content: bytes) -> bytes | None:
    """Returns the report as JSON in a page whose signature holds. None: an older version of fleet made the page.
    Raises ValueError for one that cannot be unpacked."""
    end = content.rfind(b"<!-- fleet signature ")
    begin = content.rfind(_BEGIN, 0, end)
    found = _EVIDENCE.fullmatch(content, begin, end) if begin >= 0 else None
    if found is None:
        return None
    unpacking = zlib.decompressobj()
    try:
        report = unpacking.decompress(b64decode(found[1], validate=True), LARGEST)
    except (zlib.error, ValueError) as error:
        raise ValueError(f"its report as JSON cannot be unpacked: {error}") from error
    if not unpacking.eof:
        raise ValueError("its report as JSON is not whole, or too large")
    return report


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
