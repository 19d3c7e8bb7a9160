"""Removes secrets from a machine's output before it leaves the machine: passwords, tokens and keys on command lines
and in logs.

Only the usual spellings are recognized: a secret that a service logs in a spelling of its own is not.
"""

from __future__ import annotations

import re

REDACTED = "[hidden]"
# A machine may print megabytes without a blank. So each of these patterns scans every part once only: it begins only
# where a word begins, and does not backtrack (`*+`).
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
    """Returns the text with REDACTED in place of each recognized secret, in a time that is linear in its length."""
    text = _KEY.sub(REDACTED, text)
    text = _BEARER.sub(rf"\g<name> {REDACTED}", text)
    text = _WEB_TOKEN.sub(rf"\g<head>{REDACTED}", text)
    text = _ADDRESS.sub(rf"{REDACTED}@", text)
    return _NAMED.sub(rf"\g<name>{REDACTED}", text)
