"""Requests to an API server, and the errors of the core that correspond to its refusals."""

from __future__ import annotations

import json
import re
from typing import TypeVar

import msgspec
from msgspec import Struct

from fleet.core.records.errors import AuthenticationError, FleetError, ForbiddenError, UnreachableError
from fleet.core.text.untrusted import UNREADABLE
from fleet.kube.objects.wire import STATUS, ApiStatus

T = TypeVar("T")

_WORDS = 500
_NO_VERDICT = re.compile(
    r"raft proposal dropped|transport is closing|context (deadline exceeded|canceled)"
    r"|etcdserver: |rpc error: code = (Unavailable|DeadlineExceeded|Canceled|Aborted|Unknown)"
)
"""Matches a 500 in which etcd has not confirmed to the API server whether it took the write, as while its leader moves
or is elected."""
_VERDICT = re.compile(
    r"failed calling webhook|space exceeded|is too large|permission denied|auth token|user name|authentication"
)
"""Matches a 500 that is a refusal, even if it also matches `_NO_VERDICT`. Nothing was written."""


class ApiRequest(Struct, frozen=True, kw_only=True):
    """One request, in the terms of RBAC: `verb` `resource` of `group`."""

    verb: str
    """One of get, list, watch, create, update, patch, delete."""
    path: str
    group: str = ""
    resource: str = ""
    query: dict[str, str] = {}
    body: object = None
    media: str = ""
    """The body's media type; empty: JSON, and for a patch JSON merge patch."""
    seconds: float = 30.0
    """The most seconds that the whole request may take."""
    most: int = 256 << 20
    """The most bytes of the response that are read."""
    impersonate: str = ""
    """The user in whose name the API server carries the request out; empty: in the caller's own."""


class NotFoundError(FleetError):
    """404: the object does not exist, or its kind is not served."""


class ConflictError(FleetError):
    """409: the object was changed meanwhile, or exists already."""


class ExpiredError(FleetError):
    """410: the server no longer has the resourceVersion from which a list or watch continues."""


class ApiRefusedError(FleetError):
    """Any other refusal. `status` is the HTTP status code."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def decoded(
    decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, what: str = "the server's answer"
) -> T:
    """Returns the decoded body. Raises FleetError that `what` cannot be read."""
    try:
        return decoder.decode(body)
    except UNREADABLE as error:
        raise FleetError(f"{what} cannot be read: {error}") from None


def status_of(code: int, body: bytes) -> ApiStatus:
    """Returns the server's Status; a Status with the text of the body where the body is none (a proxy's page, a 429 of
    overload)."""
    try:
        found = STATUS.decode(body)
    except UNREADABLE:
        found = ApiStatus()
    if found.message:
        return msgspec.structs.replace(found, code=code, message=one_line(found.message))
    text = one_line(body[: 4 * _WORDS].decode(errors="replace"))
    return msgspec.structs.replace(found, code=code, message=text or f"HTTP {code}")


def one_line(message: str, most: int = _WORDS) -> str:
    """Returns a text on one line, without characters that control a terminal: it may come from a webhook that any user
    runs."""
    text = " ".join(message[: 4 * most].split())
    return "".join(character if character.isprintable() else "?" for character in text)[:most]


def error_of(host: str, call: ApiRequest, code: int, body: bytes) -> FleetError:
    """Returns the error for a response other than 2xx."""
    status = status_of(code, body)
    message = status.message
    match code:
        case 301 | 302 | 303 | 307 | 308:
            return UnreachableError(
                f"{host} answers {code}: it redirects, and fleet does not follow redirects",
                "correct its address in the kubeconfig: this is not an API server",
            )
        case 401:
            return AuthenticationError(
                f"{host} does not accept the credentials: {message}",
                "log in again: the token or certificate of the kubeconfig has expired or is unknown there",
            )
        case 403 if " cannot impersonate " in message:
            return ForbiddenError(
                message,
                'grant verb "impersonate" to the kubeconfig\'s user, or remove `as` from the kubeconfig',
            )
        case 403:
            return ForbiddenError(message, missing_rule(call) if " cannot " in message else "")
        case 404:
            return NotFoundError(message)
        case 409:
            return ConflictError(message)
        case 410:
            return ExpiredError(message)
        case 429 | 502 | 503 | 504:
            return UnreachableError(f"{host} answers {code}: {message}")
        case 500 if no_verdict(message):
            return UnreachableError(f"{host} answers {code}: {message}")
    return ApiRefusedError(message, code)


def no_verdict(message: str) -> bool:
    """Returns whether a server's error leaves open if the write happened: the object is then read again, and the error
    does not count as a refusal."""
    return _NO_VERDICT.search(message) is not None and _VERDICT.search(message) is None


def missing_rule(call: ApiRequest) -> str:
    """Returns the RBAC rule that would allow the request, as a remedy."""
    if not call.path.startswith(("/api/", "/apis/")):
        return f"RBAC does not allow it: grant verb {json.dumps(call.verb)} on nonResourceURL {json.dumps(call.path)}"
    return (
        f"RBAC does not allow it: grant verb {json.dumps(call.verb)} on resource {json.dumps(call.resource)} "
        f"of apiGroup {json.dumps(call.group)}"
    )
