"""The location of a database: the path of an SQLite file, or a PostgreSQL URL, which is never shown with its
password."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote

from msgspec import Struct

from fleet.core.records.errors import StoreError, UsageError

HIDDEN = "***"
SHORT = 3
"""A part of a password shorter than this many characters reveals nothing, and hiding such a part would garble
messages."""


class DatabaseAddress(Struct, frozen=True):
    kind: Literal["sqlite", "postgresql"]
    path: Path = Path()
    """The path of the SQLite file."""
    url: str = ""
    """The URL of the PostgreSQL database in libpq's form, with the password: never shown to a user."""

    @classmethod
    def parse(cls, text: str | Path) -> DatabaseAddress:
        """Parses a path, `sqlite:///PATH`, or `postgresql://...` (`postgres://`, `postgresql+psycopg://`).

        Raises UsageError for any other scheme.
        """
        scheme, mark, rest = str(text).partition("://")
        if not mark:
            return cls("sqlite", Path(text))
        if scheme == "sqlite":
            return cls("sqlite", Path(unquote(rest.removeprefix("/"))))
        if scheme in ("postgresql", "postgres", "postgresql+psycopg"):
            return cls("postgresql", url=f"postgresql://{rest}")
        raise UsageError(
            f"unknown kind of database: {scheme}://",
            "use a path, sqlite:///PATH, or postgresql://USER@HOST/DATABASE",
        )

    @property
    def shown(self) -> str:
        """Returns the address as it may be shown in messages."""
        return str(self.path) if self.kind == "sqlite" else self.without_password(self.url)

    def without_password(self, text: str) -> str:
        """Returns the message of a library without the URL or the password that it may have quoted."""
        for secret in self._secrets():
            text = text.replace(secret, HIDDEN)
        return text

    def _secrets(self) -> list[str]:
        """Returns the secrets of the URL, the longest first. The URL is not parsed, because it may be malformed."""
        written = re.findall(r"(?:://[^:@/?]*:(?=[^?]*@)|[?&]password=)([^?&]*(?=@)|[^&]*)", self.url)
        # libpq cuts a password that holds an @ there, and takes the rest for the host.
        parts = [part for secret in written for part in secret.split("@") if len(part) >= SHORT]
        forms = {
            form
            for secret in [*written, *parts]
            for form in (secret, unquote(secret), quote(unquote(secret)))
        }
        return sorted(forms - {""}, key=len, reverse=True)


def missing(address: DatabaseAddress) -> StoreError:
    return StoreError(f"no database at {address.shown}", "choose another one with --database")
