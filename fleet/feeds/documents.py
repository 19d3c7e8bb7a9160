"""The documents of a feed: what was read last is asked for again only if it has changed."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import TypeVar

import msgspec
from msgspec import Struct

from fleet.core.text.encoding import in_utf8
from fleet.feeds.errors import FeedError, UnauthorizedError
from fleet.system.download import DownloadError, ask

MOST_BYTES = 16 << 20
"""The largest document that is read; the release index of Fedora CoreOS has about 1 MiB, the list of Flatcar 2 MiB."""
WHOLE = 180.0
"""Seconds that all documents of a feed may take."""
UNAUTHORIZED = 401
NOT_MODIFIED = 304

T = TypeVar("T")


class Document(Struct, frozen=True):
    """One document, with what its server needs to say that it has not changed."""

    body: bytes
    etag: str = ""
    modified: str = ""
    """The header Last-Modified, as the server sent it."""
    links: str = ""
    """The header Link: where a list goes on."""


class Documents:
    """Reads the documents of one feed. `kept`: those of the last time, by URL."""

    def __init__(self, kept: Mapping[str, Document]) -> None:
        self._kept = kept
        self._until = monotonic() + WHOLE
        self.read: dict[str, Document] = {}
        """The documents that were read, by URL, for the next time."""

    def get(
        self, url: str, headers: Mapping[str, str] | None = None, *, unchanging: bool = False
    ) -> Document:
        """Returns the document at the URL. `unchanging`: its content follows from the URL, so that a kept one counts.

        Raises FeedError, and UnauthorizedError if the server asks for credentials.
        """
        kept = self._kept.get(url)
        if url not in self.read:
            asked = None if kept is not None and unchanging else self._asked(url, headers or {}, kept)
            self.read[url] = asked or kept or Document(b"")
        return self.read[url]

    def decode(self, url: str, kind: type[T]) -> T:
        """Returns the JSON at the URL. Raises FeedError."""
        return decoded(self.get(url).body, kind)

    def _asked(self, url: str, headers: Mapping[str, str], kept: Document | None) -> Document | None:
        """Returns the document; None if the kept one has not changed."""
        if monotonic() > self._until:
            raise FeedError(f"it takes longer than {WHOLE:.0f} s")
        known = kept or Document(b"")
        conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.modified}
        sent = {**headers, **{name: value for name, value in conditions.items() if value}}
        try:
            answer = ask(url, MOST_BYTES, sent, (NOT_MODIFIED, UNAUTHORIZED))
        except DownloadError as error:
            raise FeedError(str(error)) from None
        if answer.status == UNAUTHORIZED:
            raise UnauthorizedError(answer.headers.get("www-authenticate", ""))
        if answer.status == NOT_MODIFIED:
            if kept is None:
                raise FeedError("the server answers 304, and nothing was read before")
            return None
        found = answer.headers
        return Document(
            answer.body, found.get("etag", ""), found.get("last-modified", ""), found.get("link", "")
        )


def decoded(body: bytes, kind: type[T]) -> T:
    """Returns the JSON of a body. Raises FeedError."""
    try:
        return msgspec.json.decode(in_utf8(body), type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise FeedError(f"it is not what is expected: {str(error)[:200]}") from None
