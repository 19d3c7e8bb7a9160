"""A server of feeds that answers by HTTPS, knows ETag and Last-Modified, and notes what it was asked."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from tests.kube_fake.tls import self_signed


class Asked(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    status: int


class FeedServer:
    """The documents of the server by path, which a test may change at any time."""

    def __init__(self) -> None:
        self.url = ""
        self.documents: dict[str, bytes] = {}
        self.statuses: dict[str, int] = {}
        """Paths that answer with an error."""
        self.redirects: dict[str, str] = {}
        self.asked: list[Asked] = []

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Returns status, headers and body. A subclass may answer more."""
        plain = path.partition("?")[0]
        if plain in self.redirects:
            return 302, {"Location": self.redirects[plain]}, b""
        if plain in self.statuses:
            return self.statuses[plain], {}, b"an error of the server"
        if plain not in self.documents:
            return 404, {}, b""
        body = self.documents[plain]
        etag = f'"{sha256(body).hexdigest()[:16]}"'
        if headers.get("if-none-match") == etag:
            return 304, {"ETag": etag}, b""
        return 200, {"ETag": etag, "Last-Modified": "Tue, 21 Jul 2026 14:07:12 GMT"}, body

    def take(self) -> list[Asked]:
        """Returns the requests since the last call."""
        found, self.asked = self.asked, []
        return found


def _context(folder: Path) -> ssl.SSLContext:
    """Servers of one folder have the same certificate."""
    if not (folder / "certificate.pem").exists():
        return self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


@contextmanager
def serving(server: FeedServer, folder: Path) -> Iterator[None]:
    """Runs the server. Its certificate is `certificate.pem` in the folder."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, sent, body = server.answer(self.path, headers)
            server.asked.append(Asked(self.path, headers, status))
            self.send_response(status)
            for name, value in sent.items():
                self.send_header(name, value)
            if status != 304:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Prints nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.socket = _context(folder).wrap_socket(listening.socket, server_side=True)
    thread = Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    server.url = f"https://127.0.0.1:{listening.server_port}"
    try:
        yield
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
