"""A wide-area network between etcd members, in user space and without privileges.

Each member's peers reach it through a relay, which finds the caller by the process at the other end of the connection
(an etcd cannot choose the address that its streams call from), and delivers every piece of a connection, both ways,
half a round trip later. On a cut link nothing is delivered: connections stall as they do on a broken link, and new
ones get no answer. The order within a connection is kept.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

CHUNK = 1 << 16

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
"""A reader and a writer: what is read from the one is written to the other."""
Wire = asyncio.Queue[tuple[float, bytes]]
"""Pieces in transit, each with its time of arrival. The last piece is empty."""


class Relay(Struct, frozen=True):
    """The address to which a member's peers connect, and the address on which the member listens."""

    name: str
    address: str
    port: int
    listens: int


class Wan:
    """The network, which runs in a thread of its own from `start` to `stop`."""

    def __init__(
        self,
        relays: Mapping[str, Relay],
        sites: Mapping[str, str],
        seconds: Mapping[frozenset[str], float],
        pids: Callable[[], Mapping[str, int]],
    ) -> None:
        """Makes the network. `sites` has the site of each member. `seconds` has round trips by pairs of sites; within
        a site, and for a pair that is missing, there is no delay. `pids` returns the members' current processes."""
        self._relays = dict(relays)
        self._pids = pids
        self._sites = dict(sites)
        self._seconds = dict(seconds)
        self._cut: set[frozenset[str]] = set()
        self._healed = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wan", daemon=True)
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._thread.start()
        for relay in self._relays.values():
            self._servers.append(self._run(self._listen(relay)))

    def before(self, name: str) -> Sequence[str]:
        """Returns the arguments in front of a member's command: none, since members run as ordinary programs."""
        return ()

    def stop(self) -> None:
        for server in self._servers:
            self._loop.call_soon_threadsafe(server.close)
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self, one: str, other: str) -> None:
        """Cuts the network between two members or two sites."""

        def cut() -> None:
            self._cut.add(frozenset((one, other)))
            self._healed.clear()

        self._loop.call_soon_threadsafe(cut)

    def heal(self) -> None:
        """Restores all cut links."""

        def heal() -> None:
            self._cut.clear()
            self._healed.set()

        self._loop.call_soon_threadsafe(heal)

    def round_trip(self, one: str, other: str) -> float:
        """Returns the round trip in seconds between two members."""
        return self._seconds.get(frozenset((self._sites[one], self._sites[other])), 0.0)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self, relay: Relay) -> asyncio.Server:
        async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                # The end of the relay is not an error of the connections that end with it.
                with suppress(asyncio.CancelledError):
                    await self._relay(relay, reader, writer)
            finally:
                self._tasks.discard(task)
                writer.close()

        return await asyncio.start_server(called, relay.address, relay.port)

    async def _relay(self, relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The called member is checked first: peers of a dead member connect all the time, and finding the caller is
        # expensive.
        try:
            server = await asyncio.open_connection(relay.address, relay.listens)
        except OSError:
            return
        try:
            if caller := self._caller(*writer.get_extra_info("peername")[:2]):
                await self._pass(caller, relay.name, (reader, server[1]), (server[0], writer))
        finally:
            server[1].close()

    def _caller(self, address: str, port: int) -> str | None:
        """Returns the member whose process has that end of a connection; None: the process is gone already."""
        inode = _inode(address, port)
        return next((name for name, pid in self._pids().items() if inode in _sockets(pid)), None)

    async def _pass(self, caller: str, called: str, out: Ends, back: Ends) -> None:
        """Passes data both ways, until both directions have ended or one is broken."""
        try:
            async with asyncio.TaskGroup() as directions:
                for one, other, (reader, writer) in ((caller, called, out), (called, caller, back)):
                    wire = Wire(1024)
                    directions.create_task(self._read(one, other, reader, wire))
                    directions.create_task(self._deliver(one, other, wire, writer))
        except* OSError:
            pass

    async def _read(self, one: str, other: str, reader: asyncio.StreamReader, wire: Wire) -> None:
        """Reads on while pieces are in transit: a long link carries many at once."""
        chunk = b"the first"
        while chunk:
            chunk = await reader.read(CHUNK)
            await wire.put((self._loop.time() + self.round_trip(one, other) / 2, chunk))

    async def _deliver(self, one: str, other: str, wire: Wire, writer: asyncio.StreamWriter) -> None:
        while True:
            due, chunk = await wire.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            while self._is_cut(one, other):
                await self._healed.wait()
            if not chunk:
                with suppress(OSError):
                    writer.write_eof() if writer.can_write_eof() else writer.close()
                return
            writer.write(chunk)
            await writer.drain()

    def _is_cut(self, one: str, other: str) -> bool:
        pairs = {frozenset((one, other)), frozenset((self._sites[one], self._sites[other]))}
        return bool(pairs & self._cut)


def _inode(address: str, port: int) -> str:
    """Returns the inode of the socket with that local address, from /proc/net/tcp (addresses in hexadecimal, in the
    machine's byte order)."""
    number = int.from_bytes(socket.inet_aton(address), "little")
    local = f"{number:08X}:{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == local:
            return fields[9]
    return ""


def _sockets(pid: int) -> set[str]:
    inodes = set()
    with suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
    return inodes
