"""A small JSON-over-TLS client for the lab's own API server and etcd.

The lab makes a few simple calls (readiness, nodes, compaction) and must start fast, so it does not use the official
client, which takes a second to import. Clients authenticate by certificates only; the server is always verified.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from fleet.lab.control_plane.certificates import KeyPair

_TIMEOUT_SECONDS = 10.0


class HttpAnswer(msgspec.Struct, frozen=True):
    """The response of the server: the HTTP status and the body."""

    status: int
    body: bytes

    def decoded(self) -> dict[str, object]:
        """Returns the body as a JSON object."""
        return msgspec.json.decode(self.body, type=dict[str, object])


class Api:
    """A client of one server. Usable from several threads, each with a connection of its own."""

    def __init__(
        self, url: str, authority: Path, client: KeyPair | None, seconds: float = _TIMEOUT_SECONDS
    ) -> None:
        """Makes a client. `seconds` is the timeout for the server's response."""
        self._address = urlsplit(url).netloc
        self._seconds = seconds
        self._context = ssl.create_default_context(cafile=str(authority))
        if client is not None:
            self._context.load_cert_chain(client.certificate, client.key)
        self._local = threading.local()

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        content_type: str = "application/json",
    ) -> HttpAnswer:
        """Sends one request and returns the response. Raises OSError or http.client.HTTPException where the server
        does not answer.

        A connection that the server closed while it was idle is opened again once, for reads only.
        """
        fresh = not hasattr(self._local, "connection")
        try:
            return self._send(method, path, body, content_type)
        except (OSError, http.client.HTTPException):
            self.close()
            if fresh or method != "GET":
                raise
            return self._send(method, path, body, content_type)

    def close(self) -> None:
        """Closes this thread's connection."""
        connection: http.client.HTTPSConnection | None = self._local.__dict__.pop("connection", None)
        if connection is not None:
            connection.close()

    def _send(
        self, method: str, path: str, body: Mapping[str, object] | None, content_type: str
    ) -> HttpAnswer:
        connection = self._connection()
        payload = None if body is None else json.dumps(body).encode()
        connection.request(
            method, path, payload, {"Content-Type": content_type, "Accept": "application/json"}
        )
        response = connection.getresponse()
        return HttpAnswer(response.status, response.read())

    def _connection(self) -> http.client.HTTPSConnection:
        held: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        if held is None:
            held = http.client.HTTPSConnection(self._address, context=self._context, timeout=self._seconds)
            self._local.connection = held
        return held
