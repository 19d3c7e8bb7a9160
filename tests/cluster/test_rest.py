"""The tests' own client: a stream is stopped in whatever state its connection is. Needs no API server."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3

from tests.cluster.rest import Stream


class _Watched(BaseHTTPRequestHandler):
    """A watch with one event that is silent afterwards until its client disconnects."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        line = (
            json.dumps({"type": "ADDED", "object": {"metadata": {"resourceVersion": "8"}}}).encode() + b"\n"
        )
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.flush()
        self.rfile.read()

    def log_message(self, format: str, *args: object) -> None: ...


class _Watching:
    """As much of a cluster as a stream needs; it keeps the connections that it has opened."""

    def __init__(self, port: int) -> None:
        self._pool = urllib3.HTTPConnectionPool("127.0.0.1", port)
        self.opened: list[Any] = []

    def get(self, path: str) -> dict[str, Any]:
        return {"metadata": {"resourceVersion": "7"}, "items": []}

    def open(self, path: str) -> urllib3.BaseHTTPResponse:
        self.opened.append(self._pool.request("GET", path, preload_content=False, retries=False, timeout=30))
        response: urllib3.BaseHTTPResponse = self.opened[-1]
        return response


@pytest.fixture
def watching() -> Iterator[_Watching]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Watched)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield _Watching(server.server_address[1])
    server.shutdown()
    serving.join()
    server.server_close()


def test_stream_is_closed_over_a_connection_that_broke(watching: _Watching) -> None:
    stream = Stream(watching, "/pods")  # type: ignore[arg-type]
    events = stream.events()
    assert next(events) == ("SYNC", [])
    assert next(events)[0] == "ADDED"
    os.close(watching.opened[0].connection.sock.detach())
    stream.stop()
    events.close()  # type: ignore[attr-defined]


def test_stream_is_closed_twice_and_before_it_was_opened(watching: _Watching) -> None:
    stream = Stream(watching, "/pods")  # type: ignore[arg-type]
    stream.stop()
    stream.stop()
