"""Reads the secrets that a hook is given from their files."""

from __future__ import annotations

from pathlib import Path

LARGEST = 65536
"""The most bytes of a file with a secret."""


class SecretError(Exception):
    """A file with a secret cannot be used; the message says why."""


def read_secret(path: str) -> str:
    """Returns the content of the file, without the line feed at its end. Raises SecretError."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise SecretError(f"{path}: {error.strerror}") from None
    if len(content) > LARGEST:
        raise SecretError(f"{path}: it has more than {LARGEST} bytes")
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SecretError(f"{path}: it is no text in UTF-8") from None
    if not text or "\0" in text:
        raise SecretError(f"{path}: it is empty or no text")
    return text
