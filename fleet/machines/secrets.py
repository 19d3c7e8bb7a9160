"""What of a machine's words must not leave it: passwords, tokens and keys on command lines and in logs.

It knows the usual spellings and no others: what a service logs in its own words it cannot tell from any other text.
"""

from __future__ import annotations

import re

HIDDEN = "[hidden]"
_NAMED = re.compile(
    r"""(?ix)
    (?P<name> [\w.-]*
        (?: passw(?:or)?d | passphrase | secret | token | api[_-]?key | private[_-]?key | credentials? )
        [\w.-]* ["']? \s* [=:] \s* )
    (?P<value> "[^"]*" | '[^']*' | [^\s,;&"']+ )
    """
)
_BEARER = re.compile(r"(?i)\b(?P<name>bearer|basic)\s+[\w.~+/=-]{8,}")
_ADDRESS = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^\s/@]+@", re.IGNORECASE)
_WEB_TOKEN = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*")
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def hidden(text: str) -> str:
    """The text with HIDDEN in the place of each secret that is recognized."""
    text = _KEY.sub(HIDDEN, text)
    text = _BEARER.sub(rf"\g<name> {HIDDEN}", text)
    text = _WEB_TOKEN.sub(HIDDEN, text)
    text = _ADDRESS.sub(rf"\g<scheme>{HIDDEN}@", text)
    return _NAMED.sub(rf"\g<name>{HIDDEN}", text)
