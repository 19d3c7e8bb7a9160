"""Downloads small files by HTTPS, within bounds of time and size."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping
from email.message import Message
from http.client import HTTPException, HTTPMessage
from time import monotonic
from typing import IO, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

SILENCE = 10.0
"""Seconds without an answer after which the server counts as unreachable."""
WHOLE = 30.0
"""Seconds that a download may take."""
CHUNK = 1 << 16


class DownloadError(Exception):
    """Says why a file could not be downloaded, in one line that does not name the URL, which may be a secret."""


class Answer(NamedTuple):
    """The answer of a server."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes
    """Empty for a status that is an error."""


class _OnlyHttps(HTTPRedirectHandler):
    """Follows redirects, as long as they do not lead away from HTTPS. Credentials stay with the host that they are
    for."""

    max_redirections = 3

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme != "https":
            raise DownloadError("it redirects to a URL without https")
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            following.remove_header("Authorization")
        return following


def download(url: str, most_bytes: int) -> bytes:
    """Returns the content at an https URL. The environment's proxies and certificate authorities count.

    Raises DownloadError for any other scheme, for a server that does not answer in time or answers with an error, and
    for more than `most_bytes`.
    """
    return ask(url, most_bytes).body


def ask(
    url: str, most_bytes: int, headers: Mapping[str, str] | None = None, errors: Collection[int] = ()
) -> Answer:
    """Returns the answer at an https URL. `errors`: statuses that are answers, and no failures.

    Raises DownloadError as `download` does.
    """
    if urlsplit(url).scheme != "https":
        raise DownloadError("it is not an https URL")
    until = monotonic() + WHOLE
    found = bytearray()
    try:
        request = Request(url, headers={"User-Agent": "fleet", **(headers or {})})  # noqa: S310  the scheme was checked
        with _opener().open(request, timeout=SILENCE) as answer:
            while chunk := answer.read(CHUNK):
                found += chunk
                if len(found) > most_bytes:
                    raise DownloadError(f"it is larger than {most_bytes >> 20} MiB")
                if monotonic() > until:
                    raise DownloadError(f"it takes longer than {WHOLE:.0f} s")
            return Answer(answer.status, _headers(answer.headers), bytes(found))
    except HTTPError as error:
        if error.code in errors:
            return Answer(error.code, _headers(error.headers), b"")
        raise DownloadError(f"the server answers {error.code}") from None
    except URLError as error:
        raise DownloadError(_line(error.reason)) from None
    except (OSError, HTTPException, ValueError) as error:
        raise DownloadError(_line(error)) from None


def _headers(message: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in message.items()}


def _opener() -> OpenerDirector:
    return build_opener(ProxyHandler(), HTTPSHandler(context=ssl.create_default_context()), _OnlyHttps())


def _line(error: object) -> str:
    """Returns what went wrong, without the number that Python puts before the words of the operating system. The
    words of TLS say more than its number's."""
    words = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else ""
    text = words or str(error) or type(error).__name__
    return "".join(char if char.isprintable() else " " for char in text)[:200]
