"""Connections to one server, and how they are secured."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

AT_A_TIME = 100
"""Connections that may be open to a server."""
READ_BYTES = 1 << 21
"""An event of a watch may be larger than aiohttp's own buffer."""


class Wiring(Struct, frozen=True):
    """How a server is reached."""

    context: ssl.SSLContext
    server_name: str = ""
    """That its certificate must have; empty: the one in its address."""
    proxy: str = ""
    """Empty: what the environment says."""
    proxy_headers: Mapping[str, str] = {}


class Connections:
    """Made where an event loop runs, opened as they are needed. Close them."""

    def __init__(self, wiring: Wiring) -> None:
        self._pool = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=AT_A_TIME, ssl=wiring.context),
            trust_env=True,
            read_bufsize=READ_BYTES,
        )
        self._way: dict[str, Any] = {
            "proxy": wiring.proxy or None,
            "proxy_headers": wiring.proxy_headers or None,
            "server_hostname": wiring.server_name or None,
        }

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: object, limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        """The head of an answer; its body is the caller's to read and to release. `body`: JSON; None: nothing is sent."""
        data = None if body is None else msgspec.json.encode(body)
        return await self._pool.request(method, url, headers=headers, data=data, timeout=limits, **self._way)

    def socket(self, url: str, headers: Mapping[str, str], protocol: str, most: int) -> Any:
        """A context of a WebSocket, whose messages have `most` bytes."""
        return self._pool.ws_connect(
            url, headers=headers, protocols=(protocol,), max_msg_size=most, **self._way
        )

    async def close(self) -> None:
        await self._pool.close()
