"""Connections through a SOCKS5 proxy: https://www.rfc-editor.org/rfc/rfc1928 and 1929.

The proxy resolves the server's name, as with Go's programs. aiohttp does not support such proxies; only the place
where its connector opens a socket is replaced here (aiohttp 3.14).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import aiohttp

PORT = 1080
LONGEST = 255
"""The most bytes of a name, a user or a password, whose length is sent in one byte."""
_PLAIN, _PASSWORD = 0, 2
_REFUSALS = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
}


class SocksConnector(aiohttp.TCPConnector):
    """A connector for one server behind `proxy`: socks5://HOST:PORT, perhaps with a user and password."""

    def __init__(self, proxy: str, **settings: Any) -> None:
        super().__init__(**settings)
        self._proxy = urlsplit(proxy)

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> list[Any]:
        return [
            {"hostname": host, "host": host, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
        ]

    async def _wrap_create_connection(
        self,
        *arguments: Any,
        addr_infos: Any,
        req: Any,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
        client_error: Any = aiohttp.ClientConnectorError,
        **settings: Any,
    ) -> Any:
        try:
            async with asyncio.timeout(timeout.sock_connect):
                host, port = addr_infos[0][4][:2]
                found = await _connected(self._proxy, host, port)
                try:
                    return await self._loop.create_connection(*arguments, **settings, sock=found)
                except BaseException:
                    found.close()
                    raise
        except ssl.CertificateError as error:
            raise aiohttp.ClientConnectorCertificateError(req.connection_key, error) from error
        except ssl.SSLError as error:
            raise aiohttp.ClientConnectorSSLError(req.connection_key, error) from error
        except TimeoutError:
            raise
        except OSError as error:
            raise client_error(req.connection_key, error) from error


async def _connected(proxy: SplitResult, host: str, port: int) -> socket.socket:
    """Returns a socket that is connected to the server through the proxy. Raises OSError with the reason."""
    found = await _opened(proxy)
    try:
        await _introduce(found, proxy)
        await _send(found, b"\x05\x01\x00" + _address(host) + port.to_bytes(2))
        _, answer, _, kind = await _read(found, 4)
        if answer != 0:
            raise _refused(_REFUSALS.get(answer, f"reply {answer}"))
        size = {1: 4, 4: 16}.get(kind) or (await _read(found, 1))[0]
        await _read(found, size + 2)
    except BaseException:
        found.close()
        raise
    return found


async def _opened(proxy: SplitResult) -> socket.socket:
    """Opens a connection to the first of the proxy's addresses that answers."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(proxy.hostname, proxy.port or PORT, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise _unreached(error) from None
    last = OSError(errno.EADDRNOTAVAIL, "it has no address")
    for family, kind, number, _, address in found:
        opened = socket.socket(family, kind, number)
        opened.setblocking(False)
        try:
            await loop.sock_connect(opened, address)
        except OSError as error:
            opened.close()
            last = error
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise _unreached(last)


def _unreached(why: OSError) -> OSError:
    return OSError(errno.EPROTO, f"the SOCKS proxy cannot be reached: {why.strerror}")


async def _introduce(found: socket.socket, proxy: SplitResult) -> None:
    named = proxy.username is not None
    await _send(found, bytes([5, 2, _PLAIN, _PASSWORD] if named else [5, 1, _PLAIN]))
    version, method = await _read(found, 2)
    if version != 5 or method not in ((_PLAIN, _PASSWORD) if named else (_PLAIN,)):
        raise _refused("it requires another way to log in" if version == 5 else "it does not speak SOCKS5")
    if method == _PASSWORD:
        parts = [unquote(part or "").encode() for part in (proxy.username, proxy.password)]
        if max(map(len, parts)) > LONGEST:
            raise _refused(f"its user or password has more than {LONGEST} bytes")
        await _send(found, b"\x01" + b"".join(bytes([len(part)]) + part for part in parts))
        if (await _read(found, 2))[1] != 0:
            raise _refused("it does not accept the user and password")


def _address(host: str) -> bytes:
    try:
        own = ip_address(host)
    except ValueError:
        name = host.encode("idna")
        if len(name) > LONGEST:
            raise _refused("the server's name is too long for it") from None
        return b"\x03" + bytes([len(name)]) + name
    return (b"\x01" if own.version == 4 else b"\x04") + own.packed


async def _send(found: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(found, data)


async def _read(found: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        more = await asyncio.get_running_loop().sock_recv(found, size - len(read))
        if not more:
            raise _refused("it closed the connection")
        read += more
    return read


def _refused(why: str) -> OSError:
    return OSError(errno.EPROTO, f"the SOCKS proxy refuses: {why}")
