"""Pools of connections to one server, and their TLS and proxy options."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from fleet.kube.client.socks import SocksConnector

AT_A_TIME = 100
"""The most connections that may be open to a server."""
READ_BYTES = 1 << 21
"""The read buffer in bytes. An event of a watch may be larger than aiohttp's own buffer."""


SOCKS = "socks5"
"""The scheme of a SOCKS proxy's address."""
Headers = Sequence[tuple[str, str]]
"""Headers as pairs; a name may occur more than once."""


class ConnectionOptions(Struct, frozen=True):
    """The options of connections to a server."""

    context: ssl.SSLContext
    server_name: str = ""
    """The name that the server's certificate must have; empty: the name in the server's address."""
    proxy: str = ""
    """The proxy's address, http://, https:// or socks5://; empty: none."""


def _connector(wiring: ConnectionOptions) -> aiohttp.TCPConnector:
    if wiring.proxy.startswith("https:"):
        logging.getLogger("asyncio").addFilter(_is_news)
    if wiring.proxy.startswith(SOCKS):
        return SocksConnector(wiring.proxy, limit=AT_A_TIME, ssl=wiring.context)
    return aiohttp.TCPConnector(limit=AT_A_TIME, ssl=wiring.context)


def _is_news(record: logging.LogRecord) -> bool:
    """Returns whether the event loop should log the record. CPython 3.11 writes a traceback where TLS within a proxy's
    TLS is refused; the caller gets that error anyway."""
    return not record.getMessage().startswith("Fatal error on SSL protocol")


async def _refuse_redirect(_: object, __: object, request: aiohttp.TraceRequestRedirectParams) -> None:
    """Refuses a redirect: aiohttp itself would send the request that begins a WebSocket to the new location."""
    answer = request.response
    answer.close()
    raise aiohttp.WSServerHandshakeError(
        answer.request_info, answer.history, status=answer.status, headers=answer.headers
    )


class Connections:
    """A pool of connections, which are opened as they are needed. Must be made where an event loop runs, and be
    closed."""

    def __init__(self, wiring: ConnectionOptions) -> None:
        # API servers do not redirect, and a redirect could have fleet send requests to addresses that only fleet can
        # reach.
        nowhere_else = aiohttp.TraceConfig()
        nowhere_else.on_request_redirect.append(_refuse_redirect)
        # trust_env stays off: it would send a host's password from ~/.netrc, which no kubeconfig asks for.
        self._pool = aiohttp.ClientSession(
            connector=_connector(wiring),
            read_bufsize=READ_BYTES,
            trace_configs=[nowhere_else],
        )
        self._way: dict[str, Any] = {
            "proxy": None if wiring.proxy.startswith(SOCKS) else wiring.proxy or None,
            "server_hostname": wiring.server_name or None,
        }

    async def request(
        self, method: str, url: str, headers: Headers, body: object, limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        """Sends a request and returns the head of the response; the caller reads and releases its body. `body` is sent
        as JSON; None: nothing is sent."""
        data = None if body is None else msgspec.json.encode(body)
        return await self._pool.request(
            method, url, headers=headers, data=data, timeout=limits, allow_redirects=False, **self._way
        )

    def socket(self, url: str, headers: Headers, protocol: str, most: int) -> Any:
        """Returns a context manager of a WebSocket. A message of more than `most` bytes ends the connection."""
        return self._pool.ws_connect(
            url, headers=headers, protocols=(protocol,), max_msg_size=most, **self._way
        )

    async def close(self) -> None:
        await self._pool.close()
