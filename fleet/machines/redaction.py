"""What of a machine's words must not leave it: passwords, tokens and keys on command lines and in logs.

It knows the usual spellings and no others: what a service logs in its own words it cannot tell from any other text.
"""

from __future__ import annotations

import re

REDACTED = "[hidden]"
# A machine may print megabytes without a blank. So each of these passes over what it has looked at once: it begins where a
# word begins alone, and gives nothing back (`*+`).
_NAMED = re.compile(
    r"""(?ix)
    (?P<name> (?<! [\w.-] )
        (?= [\w.-]*? (?: passw(?:or)?d | passphrase | secret | token | api[_-]?key | private[_-]?key | credential ) )
        [\w.-]*+ ["']?+ \s*+ [=:] \s*+ )
    (?P<value> "[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z) | [^\s,;&"']++ )
    """
)
_BEARER = re.compile(r"(?i)\b(?P<name>bearer|basic)\s++[\w.~+/=-]{8,}+")
_ADDRESS = re.compile(r"(?<=[a-z0-9+.-]://)[^\s/@]++@", re.IGNORECASE)
_WEB_TOKEN = re.compile(
    r"(?<![\w-])(?=[\w-]++\.[\w-]++\.)(?P<head>[\w-]*?)\beyJ[\w-]{8,}+\.[\w-]++\.[\w-]*+", re.DOTALL
)
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def redact(text: str) -> str:
    """The text with REDACTED in the place of each secret that is recognized, in a time that grows with its length alone."""
    text = _KEY.sub(REDACTED, text)
    text = _BEARER.sub(rf"\g<name> {REDACTED}", text)
    text = _WEB_TOKEN.sub(rf"\g<head>{REDACTED}", text)
    text = _ADDRESS.sub(rf"{REDACTED}@", text)
    return _NAMED.sub(rf"\g<name>{REDACTED}", text)
