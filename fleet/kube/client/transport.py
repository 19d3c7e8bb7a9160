"""Requests to one API server: raw bodies, bounded in time and size, with failures as errors of the core."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlencode

import aiohttp
from msgspec import Struct
from msgspec.structs import replace

from fleet.core.records.errors import FleetError, UnreachableError, UsageError
from fleet.core.records.requests import RequestKind
from fleet.kube.client import credentials
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.failures import unreachable
from fleet.kube.client.session import Session, shown
from fleet.kube.objects.errors import ApiRequest, error_of, status_of
from fleet.system.clock import Clock

LINE_LIMIT = 16 * 2**20
"""The most bytes of one line of a watch. etcd stores no object above 1.5 MiB by default; some clusters raise this
limit."""
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 90.0
"""Seconds without data after which a watch counts as dead: the server sends a bookmark about every minute."""
OVERLOADED_TRIES = 4
OVERLOADED_SECONDS = 10.0
"""The most seconds that one Retry-After is waited for."""
RETRY_AFTER_MOST = 600.0
"""The most seconds that are accepted from a Retry-After: a server, or a proxy that answers for it, may send any
number."""
RELOAD_SECONDS = 5.0
"""The least seconds between two loads of refused credentials: a plugin may be slow, or prompt a user."""

WORKS_FOR: ContextVar[str] = ContextVar("WORKS_FOR", default="")
"""The rollout that requests of this task are sent for; empty: for none (lists, watches, leases)."""

_METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
}
_BROKEN = (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError, UnicodeError)
"""Errors of a failed connection. UnicodeError: raised by Python's own encoding of a host name when the name is looked
up."""


class ApiResponse(Struct, frozen=True):
    status: int
    body: bytes
    retry_after: float | None = None
    """Seconds that the server asks clients to wait."""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


class Transport:
    """Sends requests to one API server. Must be closed. Credentials are loaded with the first request, and again when
    they are stale or refused."""

    def __init__(self, source: CredentialSource, clock: Clock) -> None:
        self.requests: Counter[RequestKind] = Counter()
        """Requests sent, including retries."""
        self._source = source
        self.clock = clock
        self._session: Session | None = None
        self._refused_at = -RELOAD_SECONDS
        """The time of the last load after a refusal, in seconds of the event loop's clock."""
        self._stale_at: float | None = None
        self._loading = asyncio.Lock()
        self._closed = False

    @property
    def host(self) -> str:
        """Returns the server's address, once a request was made."""
        return shown(self._session.host) if self._session is not None else "the API server"

    async def open(self) -> None:
        """Loads the credentials before the first request. Raises UsageError or AuthenticationError where they cannot
        be used."""
        await self._fresh(None)

    async def request(self, call: ApiRequest, *, retry_on_429: bool = True) -> ApiResponse:
        """Sends a request and returns the response, whatever its status; fleet's token is masked in a failed one.
        Raises UnreachableError where there is no response in time.

        With `retry_on_429`, fleet waits for the Retry-After of an overloaded server (429) and sends the request again.
        """
        try:
            async with asyncio.timeout(call.seconds):
                return await self._request(call, OVERLOADED_TRIES if retry_on_429 else 1)
        except TimeoutError as error:
            raise unreachable(self.host, error, call.seconds) from None

    async def call(self, call: ApiRequest) -> bytes:
        """Returns the body of a successful response. Raises the FleetError that corresponds to any other response."""
        answer = await self.request(call)
        if not answer.good:
            raise error_of(self.host, call, answer.status, answer.body)
        return answer.body

    @asynccontextmanager
    async def stream(self, call: ApiRequest) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yields the lines of a watch, once the server has accepted the request; for an overloaded server fleet waits
        and retries, as `request` does.

        Raises as `call` does, also between lines.
        """
        try:
            async with asyncio.timeout(call.seconds):
                response = await self._accepted(call)
        except TimeoutError as error:
            raise unreachable(self.host, error, call.seconds) from None
        try:
            yield self._lines(response)
        finally:
            response.close()

    async def frames(self, call: ApiRequest, protocol: str) -> AsyncIterator[bytes]:
        """Yields the messages of a WebSocket until the server closes it. Raises as `call` does, also between
        messages."""
        try:
            async with asyncio.timeout(call.seconds):
                session = await self._fresh(None)
                async with self._socket(session, call, protocol) as socket:
                    async for message in socket:
                        yield message.data if isinstance(message.data, bytes) else str(message.data).encode()
        except aiohttp.WSServerHandshakeError as error:
            raise error_of(self.host, call, error.status, self.masked(error.message.encode())) from None
        except (*_BROKEN, RuntimeError) as error:
            raise unreachable(self.host, error, call.seconds) from None

    def _socket(self, session: Session, call: ApiRequest, protocol: str) -> Any:
        self.requests[RequestKind(WORKS_FOR.get(), call.verb, call.resource)] += 1
        url = f"{session.host}{call.path}".replace("http", "ws", 1)
        return session.connections.socket(url, _identifying(session), protocol, min(LINE_LIMIT, call.most))

    async def close(self) -> None:
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.connections.close()

    async def _request(self, call: ApiRequest, tries: int) -> ApiResponse:
        limits = aiohttp.ClientTimeout(total=call.seconds, sock_connect=CONNECT_SECONDS)
        while True:
            response = await self._opened(call, limits)
            try:
                body = await self._read(response, call)
            finally:
                response.release()
            body = body if response.status < 300 else self.masked(body)
            answer = ApiResponse(response.status, body, _retry_after(response, body))
            tries -= 1
            if answer.status != 429 or tries <= 0:
                return answer
            await self._give_time(answer.retry_after)

    async def _accepted(self, call: ApiRequest) -> aiohttp.ClientResponse:
        """Returns the response to a watch, before its lines are read."""
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
        tries = OVERLOADED_TRIES
        while True:
            response = await self._opened(call, limits)
            if response.status == 200:
                return response
            try:
                body = self.masked(await self._read(response, call))
            finally:
                response.close()
            tries -= 1
            if response.status != 429 or tries <= 0:
                raise error_of(self.host, call, response.status, body)
            await self._give_time(_retry_after(response, body))

    async def _give_time(self, retry_after: float | None) -> None:
        await self.clock.sleep(min(1.0 if retry_after is None else retry_after, OVERLOADED_SECONDS))

    async def _opened(self, call: ApiRequest, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """Sends the request, and repeats it once with fresh credentials if the loaded ones are refused."""
        session = await self._fresh(None)
        response = await self._send(session, call, limits)
        if response.status == 401:
            renewed = await self._fresh(session)
            if (
                renewed.authorization != session.authorization
                or renewed.connections is not session.connections
            ):
                response.close()
                response = await self._send(renewed, call, limits)
        return response

    async def _send(
        self, session: Session, call: ApiRequest, limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        self.requests[RequestKind(WORKS_FOR.get(), call.verb, call.resource)] += 1
        headers = [
            ("accept", "application/json"),
            ("Content-Type", _media(call)),
            *_identifying(session, call.impersonate),
        ]
        query = f"?{urlencode(call.query)}" if call.query else ""
        try:
            url = f"{session.host}{call.path}{query}"
            return await session.connections.request(_METHODS[call.verb], url, headers, call.body, limits)
        except (*_BROKEN, RuntimeError) as error:  # RuntimeError: the session is being closed
            raise unreachable(self.host, error, call.seconds) from None

    async def _fresh(self, refused: Session | None) -> Session:
        """Returns credentials that are neither stale nor `refused`."""
        async with self._loading:
            loop = asyncio.get_running_loop()
            old = self._session
            due = self._stale_at is not None and loop.time() >= self._stale_at
            if old is not None and old is not refused and not due:
                return old
            if old is not None and not due:
                if loop.time() < self._refused_at + RELOAD_SECONDS:
                    return old
                self._refused_at = loop.time()
            if self._closed:
                raise UnreachableError("the connection to the cluster is closed")
            try:
                loaded = await credentials.load(self._source, self.clock.now())
            except UsageError:
                if old is None or not due or old is refused:
                    raise
                # A file that is being rotated may be missing for a moment: the loaded credentials are used until they
                # are refused.
                self._stale_at = loop.time() + RELOAD_SECONDS
                return old
            if old is not None and loaded.identity == old.identity:
                # Open watches go on over their existing connections.
                await loaded.connections.close()
                loaded = replace(loaded, connections=old.connections)
            elif old is not None:
                await old.connections.close()
            self._session = loaded
            self._stale_at = None if loaded.stale_after is None else loop.time() + loaded.stale_after
            return loaded

    def masked(self, body: bytes) -> bytes:
        """Returns the text with fleet's token masked."""
        return body if self._session is None else self._session.masked(body)

    async def _read(self, response: aiohttp.ClientResponse, call: ApiRequest) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            async for chunk in response.content.iter_any():
                size += len(chunk)
                if size > call.most:
                    response.close()
                    raise FleetError(f"{self.host} sent more than {call.most >> 20} MiB in one answer")
                parts.append(chunk)
        except _BROKEN as error:
            raise unreachable(self.host, error, call.seconds) from None
        return b"".join(parts)

    async def _lines(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        rest = bytearray()
        try:
            async for chunk in response.content.iter_any():
                # Each byte is scanned once only: a server may send a long line in small pieces.
                begun, *others = chunk.split(b"\n")
                rest += begun
                for other in others:
                    if rest:
                        yield bytes(rest)
                    rest = bytearray(other)
                if len(rest) > LINE_LIMIT:
                    raise FleetError(f"{self.host} sent an object above {LINE_LIMIT >> 20} MiB")
        except _BROKEN as error:
            raise unreachable(self.host, error, SILENCE_SECONDS) from None


def _identifying(session: Session, user: str = "") -> list[tuple[str, str]]:
    own = [("authorization", session.authorization)] if session.authorization else []
    if not user:
        return own + list(session.headers)
    kept = [(key, value) for key, value in session.headers if not key.lower().startswith("impersonate-")]
    return [*own, *kept, ("Impersonate-User", user)]


def _media(call: ApiRequest) -> str:
    return call.media or ("application/merge-patch+json" if call.verb == "patch" else "application/json")


def _retry_after(response: aiohttp.ClientResponse, body: bytes) -> float | None:
    """Returns the seconds from the header (whole seconds), or else from the Status."""
    header = response.headers.get("Retry-After", "")
    if header.isascii() and header.isdigit():
        return min(float(header), RETRY_AFTER_MOST)
    if response.status != 429:
        return None
    details = status_of(response.status, body).details
    if details is None or details.retry_after_seconds <= 0:
        return None
    return float(min(details.retry_after_seconds, RETRY_AFTER_MOST))
