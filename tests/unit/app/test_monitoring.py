"""Where the server listens, and what it says without a database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from fleet.app.monitoring.exposition import exposition
from fleet.app.monitoring.server import ListenAddress, monitoring
from fleet.app.wiring.home import Home
from fleet.core.metrics.family import counter, gauge
from fleet.core.records.errors import UsageError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9464", "127.0.0.1", 9464),
        (":9464", "127.0.0.1", 9464),
        ("[::1]:0", "::1", 0),
        ("0.0.0.0:1", "0.0.0.0", 1),
    ],
)
def test_address(text: str, host: str, port: int) -> None:
    assert ListenAddress.parse(text) == (host, port)


@pytest.mark.parametrize("text", ["", "9464", "host:", "host:x", "host:70000"])
def test_no_address(text: str) -> None:
    with pytest.raises(UsageError):
        ListenAddress.parse(text)


def test_without_a_database_the_process_lives_and_is_not_ready(tmp_path: Path) -> None:
    async def asked() -> dict[str, tuple[int, bool]]:
        home = Home(tmp_path)
        async with (
            monitoring(home, ListenAddress("127.0.0.1", 0), lambda message: None) as found,
            aiohttp.ClientSession(f"http://127.0.0.1:{found.port}") as session,
        ):
            answers = {}
            for path in ("/healthz", "/readyz", "/metrics", "/other"):
                async with session.get(path) as answer:
                    answers[path] = answer.status, (await answer.text()).endswith("\n")
            return answers

    assert asyncio.run(asked()) == {
        "/healthz": (200, True),
        "/readyz": (503, True),
        "/metrics": (503, True),
        "/other": (404, True),
    }


def test_address_in_use_is_refused_by_name(tmp_path: Path) -> None:
    async def twice() -> None:
        address = ListenAddress("127.0.0.1", 0)
        async with (
            monitoring(Home(tmp_path), address, lambda message: None) as found,
            monitoring(Home(tmp_path), found, lambda message: None),
        ):
            pass

    with pytest.raises(UsageError, match="cannot listen"):
        asyncio.run(twice())


def test_labels_are_escaped() -> None:
    hostile = 'x"} 1\nfleet_evil 1\x1b[2J'
    text, _ = exposition([gauge("fleet_a", "A.", ("label",), {(hostile,): 1.0})], "")
    lines = [line for line in text.decode().splitlines() if line.startswith("fleet")]
    assert len(lines) == 1 and "\x1b" not in text.decode()


def test_counters_keep_their_name() -> None:
    text, content_type = exposition([counter("fleet_a_total", "A.", (), {(): 3.0})], "")
    assert "fleet_a_total 3.0" in text.decode() and content_type.startswith("text/plain")
