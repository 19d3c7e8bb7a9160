"""A real browser, driven by its DevTools protocol: what a page shows, what it logs, what it would fetch."""

from __future__ import annotations

import asyncio
import os
import shutil
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
LISTENS = "DevTools listening on "
PATIENCE = 60
"""Seconds for anything that is asked of the browser."""


def executable() -> str:
    """Skips the test without a browser; on CI that is a failure."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is not None:
        return found
    why = f"no browser here: none of {', '.join(NAMES)} is on the PATH"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


class Tab:
    """One page. `requests`, `messages` and `errors` gather what it does."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._session = ""
        self._count = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.requests: list[str] = []
        self.messages: list[str] = []

    async def read(self) -> None:
        async for message in self._socket:
            reported = message.json()
            if "id" in reported:
                self._answers.pop(reported["id"]).set_result(reported)
            else:
                self._note(reported["method"], reported.get("params", {}))

    def _note(self, method: str, reported: dict[str, Any]) -> None:
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Network.requestWillBeSent":
                self.requests.append(reported["request"]["url"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded":
                self.messages.append(str(reported))

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer of one command. Raises AssertionError with the browser's message if it refuses."""
        self._count += 1
        answer = self._answers[self._count] = asyncio.get_running_loop().create_future()
        command: dict[str, Any] = {"id": self._count, "method": method, "params": params}
        if self._session:
            command["sessionId"] = self._session
        await self._socket.send_json(command)
        reported = await asyncio.wait_for(answer, PATIENCE)
        assert "error" not in reported, reported
        result: dict[str, Any] = reported["result"]
        return result

    async def attach(self) -> None:
        target = await self.ask("Target.createTarget", url="about:blank")
        attached = await self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.ask(f"{domain}.enable")

    async def open(self, path: Path, fragment: str = "") -> None:
        self._loaded.clear()
        await self.ask("Page.navigate", url=f"{path.as_uri()}{fragment}")
        await asyncio.wait_for(self._loaded.wait(), PATIENCE)

    async def value(self, script: str) -> Any:
        """Of an expression in the page."""
        reported = await self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in reported, reported
        return reported["result"].get("value")

    async def printed(self) -> bytes:
        """As PDF, on the paper that the page asks for."""
        reported = await self.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return b64decode(reported["data"])


@asynccontextmanager
async def a_tab() -> AsyncIterator[Tab]:
    """In a browser of its own, which ends with it."""
    with TemporaryDirectory(prefix="fleet-chromium-", ignore_cleanup_errors=True) as profile:
        flags = [*FLAGS, f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = await asyncio.create_subprocess_exec(
            executable(), *flags, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        drain: asyncio.Task[bytes] | None = None
        try:
            assert browser.stderr is not None
            address = await asyncio.wait_for(_address(browser.stderr), PATIENCE)
            drain = asyncio.create_task(browser.stderr.read())
            async with aiohttp.ClientSession() as http, http.ws_connect(address, max_msg_size=0) as socket:
                tab = Tab(socket)
                reader = asyncio.create_task(tab.read())
                await tab.attach()
                yield tab
                reader.cancel()
        finally:
            if browser.returncode is None:
                browser.terminate()
            await asyncio.wait_for(browser.wait(), PATIENCE)
            if drain is not None:
                await drain


async def _address(arguments: asyncio.StreamReader) -> str:
    seen = []
    async for line in arguments:
        reported = line.decode(errors="replace").strip()
        if reported.startswith(LISTENS):
            return reported.removeprefix(LISTENS)
        seen.append(reported)
    raise AssertionError("the browser did not start: " + "\n".join(seen[-20:]))
