"""Makes the output of a hook fit for the journal: bounded, and without secrets."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.core.text.visible import visible
from fleet.machines.redaction import REDACTED, redact

MESSAGE_MOST = 300
"""The longest message in characters."""
SPARE = 4096
"""So many more bytes are read than are kept, beside the longest secret that the hook was given: no secret is cut in two
and kept in part."""


def kept_output(output: bytes, most: int, secrets: Iterable[str] = ()) -> str:
    """Returns the last `most` bytes of the output as a text, with its secrets hidden: those that the hook was given, and
    whatever looks like one."""
    text = without_secrets(output.decode(errors="replace"), secrets).rstrip()
    encoded = text.encode()
    return encoded[max(0, len(encoded) - most) :].decode(errors="ignore")


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Returns the text with the secrets hidden."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return redact(text)


def message(text: str) -> str:
    """Returns the text as one line of limited length."""
    line = visible(text)
    return line if len(line) <= MESSAGE_MOST else f"{line[: MESSAGE_MOST - 1]}…"
