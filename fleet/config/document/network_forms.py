"""The forms of what belongs to a network: URLs, paths, ports."""

from __future__ import annotations

import re

from fleet.config.document.forms import TEXT, ValueForm, matching, number, number_schema, text_schema
from fleet.config.document.fragment import PASSWORD, QUERY, USER_IN_URL


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[!-~]{1,1000}", text) or "#" in text:
        raise ValueError("it is no URL of a server")
    return _source(text)


def _status(text: str) -> int:
    found = number(text)
    if not 100 <= found <= 599:
        raise ValueError(text)
    return found


def _source(text: str) -> str:
    if any(secret.search(text) for secret in (USER_IN_URL, PASSWORD, QUERY)):
        raise ValueError("it may have a secret in it")
    return TEXT.read(text)


def _port(text: str) -> int:
    found = number(text)
    if not 0 < found < 65536:
        raise ValueError(text)
    return found


def _http_path(text: str) -> str:
    """Returns a path below the member's own root. A path that leads out of the root (`..`, in any spelling) would be
    another path of the API server, which passes the request on."""
    path = text.partition("?")[0]
    if (
        not re.fullmatch(r"/[!-~]{0,999}", text)
        or "#" in text
        or re.search(r"%(?:2[ef]|5c|25)|\\", path, re.IGNORECASE)
    ):
        raise ValueError(text)
    if {".", ".."} & set(path.split("/")):
        raise ValueError(text)
    return text


HTTP_PATH = ValueForm(
    "a path such as /health?ready=1, without . or .. in it", _http_path, schema=text_schema(r"/[!-~]{0,999}")
)
STATUS = ValueForm("a status of HTTP, 100 to 599", _status, schema=number_schema("integer", 100, 599))
PORT = ValueForm("a port, 1 to 65535", _port, schema=number_schema("integer", 1, 65535))
URL = ValueForm(
    "a URL such as https://10.0.0.1:9090, without user, password, ? and # in it",
    _url,
    schema=text_schema(r"https?://[^?#\s]{1,1000}"),
)
SOURCE = ValueForm(
    "a source without user, password, ? and #, since plans, journal and reports show it", _source
)
ENDPOINT = matching(
    "a URL such as https://10.0.0.1:2379", r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?/?"
)
