"""The balancer before the lab's API servers: a host that loses power closes no connection, so the balancer does."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from fleet.lab.control_plane import certificates
from fleet.lab.control_plane.balancer import Balancer

GONE = 0.5
HELD = 1.0


def test_connections_to_a_silent_server_are_closed_and_no_others(tmp_path: Path) -> None:
    now = datetime.now(UTC)  # noqa: TID251 - TLS asks the real clock
    issued = certificates.issue(tmp_path / "pki", now)
    asyncio.run(_scene(issued))


async def _scene(issued: certificates.Certificates) -> None:
    silent = asyncio.Event()
    trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trust.load_cert_chain(issued.api_server.certificate, issued.api_server.key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        if silent.is_set():
            await asyncio.Event().wait()
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=trust)
    behind: tuple[str, int] = server.sockets[0].getsockname()
    front = ("127.0.0.1", _free_port())
    balancing = asyncio.create_task(Balancer([behind], issued.authority, GONE).run(front))
    try:
        async with asyncio.timeout(30):
            reader, writer = await _held_open(front)
            silent.set()
            assert await reader.read(1) == b""
            writer.close()
    finally:
        balancing.cancel()
        with suppress(asyncio.CancelledError):
            await balancing
        server.close()


async def _held_open(front: tuple[str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has been handed on: one that has not is closed at once. Its client has nothing to say yet."""
    while True:
        with suppress(ConnectionError):
            reader, writer = await asyncio.open_connection(*front)
            try:
                await asyncio.wait_for(reader.read(1), HELD)
            except TimeoutError:
                return reader, writer
            writer.close()
        await asyncio.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
