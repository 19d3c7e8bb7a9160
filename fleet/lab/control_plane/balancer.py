"""A load balancer in front of several API servers: passes each connection on to a server that reports that it is ready.

    python -m fleet.lab.control_plane.balancer --listen=ADDRESS:PORT --authority=FILE --servers=ADDRESS:PORT,...

It looks at `/readyz` of each, as health checks of load balancers do, and passes TLS through unopened. Connections to one
that answers nothing any more, since its host has lost power, are closed: their clients would wait for minutes. With
FLEET_LAB_TIED it ends with its standard input, as the lab's other programs do.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path

CHECK_SECONDS = 0.25
"""Seconds between two checks of one server."""
ANSWER_SECONDS = 2.0
GONE_SECONDS = 8.0
"""Seconds without any answer, not even a refusal, after which a server counts as gone."""
CHUNK = 1 << 16

Server = tuple[str, int]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Balancer:
    def __init__(self, servers: list[Server], authority: Path, gone: float = GONE_SECONDS) -> None:
        self._servers = servers
        self._gone = gone
        self._trust = ssl.create_default_context(cafile=str(authority))
        self._ready: set[Server] = set()
        self._open: dict[Server, set[asyncio.StreamWriter]] = {server: set() for server in servers}
        """The open connections to each server."""
        self._turn = count()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, listen: Server) -> None:
        for server in self._servers:
            task = asyncio.create_task(self._check(server))
            self._tasks.add(task)
        async with await asyncio.start_server(self._connected, *listen) as front:
            await front.serve_forever()

    async def _check(self, server: Server) -> None:
        clock = asyncio.get_running_loop().time
        answered_at = clock()
        while True:
            ready = False
            try:
                ready = await asyncio.wait_for(self._is_ready(server), ANSWER_SECONDS)
                answered_at = clock()
            except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
                answered_at = clock()
            except (OSError, TimeoutError):
                pass
            (self._ready.add if ready else self._ready.discard)(server)
            if clock() - answered_at > self._gone:
                for writer in self._open[server]:
                    writer.transport.abort()
            await asyncio.sleep(CHECK_SECONDS)

    async def _is_ready(self, server: Server) -> bool:
        reader, writer = await asyncio.open_connection(*server, ssl=self._trust)
        try:
            writer.write(f"GET /readyz HTTP/1.1\r\nHost: {server[0]}\r\nConnection: close\r\n\r\n".encode())
            return b" 200 " in await reader.readline()
        finally:
            writer.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if (backend := await self._next()) is not None:
                server, streams = backend
                self._open[server].add(streams[1])
                try:
                    await _pass_both_ways((reader, writer), streams)
                finally:
                    self._open[server].discard(streams[1])
        finally:
            writer.close()

    async def _next(self) -> tuple[Server, Streams] | None:
        """Returns a connection to the next server that is ready; None: no server is ready."""
        start = next(self._turn)
        for offset in range(len(self._servers)):
            server = self._servers[(start + offset) % len(self._servers)]
            if server in self._ready:
                try:
                    return server, await asyncio.wait_for(asyncio.open_connection(*server), ANSWER_SECONDS)
                except (OSError, TimeoutError):
                    self._ready.discard(server)
        return None


async def _pass_both_ways(one: Streams, other: Streams) -> None:
    """Passes data both ways until either side ends: then both are closed, so that no client waits for a server that is
    gone."""
    tasks = [asyncio.create_task(_pass(one[0], other[1])), asyncio.create_task(_pass(other[0], one[1]))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        other[1].close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()


async def _starter_gone() -> None:
    """Returns when standard input has ended, so that the process that started the load balancer is gone."""
    ended = asyncio.Event()

    def read() -> None:
        if not os.read(sys.stdin.fileno(), CHUNK):
            ended.set()

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), read)
    await ended.wait()


async def _main(listen: Server, servers: list[Server], authority: Path) -> None:
    tasks = [asyncio.create_task(Balancer(servers, authority).run(listen))]
    if os.environ.get("FLEET_LAB_TIED"):
        tasks.append(asyncio.create_task(_starter_gone()))
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    for task in done:
        task.result()


def _server(text: str) -> Server:
    address, _, port = text.rpartition(":")
    return address, int(port)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", type=_server, required=True)
    parser.add_argument("--authority", type=Path, required=True)
    parser.add_argument("--servers", required=True)
    options = parser.parse_args()
    servers = [_server(server) for server in options.servers.split(",")]
    asyncio.run(_main(options.listen, servers, options.authority))


if __name__ == "__main__":
    main()
