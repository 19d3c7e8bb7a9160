"""Serves /metrics, /healthz and /readyz, in the event loop of the controller: a loop that is stuck does not answer, and
that is what a liveness probe is to find out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import NamedTuple, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from fleet.app.monitoring.collect import collect
from fleet.app.monitoring.exposition import exposition
from fleet.app.wiring.home import Home
from fleet.core.metrics.family import MetricFamily
from fleet.core.records.errors import FleetError, UsageError
from fleet.drivers.identity import own_identity
from fleet.drivers.journal.log import LOG
from fleet.system.clock import WallClock

T = TypeVar("T")

FRESH = 10.0
"""Seconds for which families that were read are served again: several Prometheus servers may ask at once."""


class ListenAddress(NamedTuple):
    """Names where the server listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> ListenAddress:
        """Returns the address that HOST:PORT or :PORT (loopback) is. Raises UsageError if the text is neither."""
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
        if not colon or not port.isdigit() or int(port) > 65535:
            raise UsageError(f"expected HOST:PORT, found {text!r}", "such as 127.0.0.1:9464")
        return cls(host, int(port))


@asynccontextmanager
async def monitoring(
    home: Home, address: ListenAddress, show: Callable[[str], None]
) -> AsyncIterator[ListenAddress]:
    """Serves while the context is open. Yields and shows the address with the port that is listened on (0 in `address`:
    any free one). Raises UsageError if the address cannot be listened on."""
    server = _Server(home)
    app = web.Application(middlewares=[_whole_line])
    app.router.add_get("/metrics", server.metrics)
    app.router.add_get("/healthz", server.health)
    app.router.add_get("/readyz", server.ready)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, address.host, address.port)
        try:
            await site.start()
        except OSError as error:
            why = error.strerror or str(error)
            raise UsageError(
                f"cannot listen on {address.host}:{address.port}: {why}", "--listen HOST:PORT"
            ) from None
        found = ListenAddress(address.host, runner.addresses[0][1])
        show(f"serving /metrics, /healthz and /readyz on {found.host}:{found.port}")
        yield found
    finally:
        await runner.cleanup()


@web.middleware
async def _whole_line(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Ends the text of an error, such as that of an unknown path, with a line break, as all other answers end."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        error.text = f"{error.text}\n"
        raise


def _part(holder: str | None) -> str:
    """Returns what this process does while `holder` leads."""
    if holder is None:
        return "nobody leads"
    return "this process leads" if holder == own_identity() else f"standing by, {holder} leads"


class _Server:
    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = asyncio.Lock()
        self._families: list[MetricFamily] = []
        self._read_at: float | None = None

    async def health(self, request: web.Request) -> web.Response:
        """Answers as soon as the event loop runs."""
        return web.Response(text="ok\n")

    async def ready(self, request: web.Request) -> web.Response:
        """200 if the database answers: this process leads, or can take over. The text says which."""
        try:
            holder = await self._in_thread(lambda: self._home.store.lease.current(WallClock().now()))
        except FleetError as error:
            return web.Response(status=503, text=f"{error.full_message}\n")
        return web.Response(text=f"ok: {_part(holder)}\n")

    async def metrics(self, request: web.Request) -> web.Response:
        """Reads the database in a thread, at most once in `FRESH` seconds."""
        async with self._lock:
            if self._read_at is None or monotonic() - self._read_at > FRESH:
                try:
                    self._families = await self._in_thread(lambda: list(collect(self._home)))
                except FleetError as error:
                    LOG.warning("no metrics: %s", error.full_message)
                    return web.Response(status=503, text=f"{error.full_message}\n")
                self._read_at = monotonic()
        body, content_type = await self._in_thread(
            lambda: exposition(self._families, request.headers.get("Accept", ""))
        )
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(None, work)
