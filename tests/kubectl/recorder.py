"""API servers and proxies that write down who came, by which way, and as whom."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from operator import itemgetter
from socketserver import StreamRequestHandler
from typing import Any, ClassVar

from msgspec import Struct

VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.3"}


class Recorded(Struct, frozen=True, kw_only=True):
    """One request: its server, its user, and its credentials."""

    path: str
    host: str
    authorization: str
    impersonation: tuple[tuple[str, str], ...]
    compressed: bool
    subject: str
    """The common name in the client's certificate; empty: it had none."""
    asked_for: str
    """The server's name in the TLS handshake."""
    way: tuple[str, ...] = ()
    """The proxy, how one introduced oneself to it, and where it was asked to connect to."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    tls: ssl.SSLContext | None = None
    received: list[Recorded]
    way: list[tuple[str, ...]]

    def finish_request(self, request: Any, client_address: Any) -> None:
        with suppress(OSError):  # Whoever does not trust the certificate hangs up.
            if self.tls is not None:
                request = self.tls.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A broken connection is none of this server's."""


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        tls = self.connection if isinstance(self.connection, ssl.SSLSocket) else None
        reported: Any = tls.getpeercert() if tls is not None else None
        names = dict(each[0] for each in (reported or {}).get("subject", ()))
        # White space around a value is no part of it: https://www.rfc-editor.org/rfc/rfc9110#name-field-values.
        headers = [(key, value.strip(" \t")) for key, value in self.headers.items()]
        self.server.received.append(
            Recorded(
                path=self.path.partition("?")[0].removeprefix(f"http://{self.headers['host']}"),
                host=self.headers["host"],
                authorization=self.headers.get("authorization", "").strip(" \t"),
                impersonation=tuple(sorted(_impersonation(headers), key=itemgetter(0))),
                compressed="gzip" in self.headers.get("accept-encoding", ""),
                subject=names.get("commonName", ""),
                asked_for=getattr(tls, "asked_for", ""),
                way=self.server.way[-1] if self.server.way else (),
            )
        )
        body = json.dumps(VERSION).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _impersonation(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for key, value in headers:
        if key.lower().startswith("impersonate-"):
            yield key.lower(), value


class _Proxy(BaseHTTPRequestHandler):
    """CONNECT alone; whatever is asked for is the API server."""

    kind: ClassVar[str]
    api: ClassVar[_Server]

    def do_CONNECT(self) -> None:
        self.api.way.append((self.kind, self.headers.get("proxy-authorization", ""), self.path))
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        _join(self.connection, self.api)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class _Socks(StreamRequestHandler):
    """https://www.rfc-editor.org/rfc/rfc1928; it wants a user and password where they are offered."""

    api: ClassVar[_Server]

    def handle(self) -> None:
        _, count = self.rfile.read(2)
        methods, who = self.rfile.read(count), ""
        if 2 in methods:
            self.wfile.write(b"\x05\x02")
            self.rfile.read(1)
            who = ":".join(self.rfile.read(self.rfile.read(1)[0]).decode() for _ in range(2))
            self.wfile.write(b"\x01\x00")
        else:
            self.wfile.write(b"\x05\x00")
        kind = self.rfile.read(4)[3]
        size = {1: 4, 4: 16}.get(kind) or self.rfile.read(1)[0]
        raw, port = self.rfile.read(size), int.from_bytes(self.rfile.read(2))
        host = (
            raw.decode()
            if kind == 3
            else socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, raw)
        )
        self.api.way.append(("socks5", who, f"{host}:{port}"))
        self.wfile.write(b"\x05\x00\x00\x01" + bytes(6))
        _join(self.connection, self.api)


def _join(near: socket.socket, api: _Server) -> None:
    """Passes everything on to the API server and back until both have ended."""
    with socket.create_connection(("127.0.0.1", api.server_port)) as far:
        back = threading.Thread(target=_pump, args=(far, near))
        back.start()
        _pump(near, far)
        back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while message := source.recv(2**16):
            sink.sendall(message)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class Recorder:
    """`https`, `http`: addresses of the API server; `proxies`: HOST:PORT by scheme."""

    def __init__(self, api: _Server, https: int, http: int, proxies: dict[str, str]) -> None:
        self._api = api
        self.https = https
        self.http = http
        self.proxies = proxies

    def taken(self) -> list[Recorded]:
        """Returns the requests since the last call."""
        found = self._api.received.copy()
        self._api.received.clear()
        self._api.way.clear()
        return found


@contextmanager
def recording(certificate: str, key: str, authority: str) -> Iterator[Recorder]:
    """Both kinds of API servers and the proxies, on ports of their own; clients' certificates are the authority's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    plain.load_cert_chain(certificate, key)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_OPTIONAL

    def note(connection: Any, name: str | None, _: ssl.SSLContext) -> None:
        connection.asked_for = name or ""

    context.sni_callback = note
    secure, insecure = _Server(("127.0.0.1", 0), _Api), _Server(("127.0.0.1", 0), _Api)
    secure.tls = context
    secure.received = insecure.received = []
    secure.way = insecure.way = []
    by_http = _Server(("127.0.0.1", 0), type("Http", (_Proxy,), {"kind": "http", "api": secure}))
    by_https = _Server(("127.0.0.1", 0), type("Https", (_Proxy,), {"kind": "https", "api": secure}))
    by_https.tls = plain
    by_socks = _Server(("127.0.0.1", 0), type("Socks", (_Socks,), {"api": secure}))
    servers = (secure, insecure, by_http, by_https, by_socks)
    with ExitStack() as stack:
        for server in servers:
            stack.enter_context(server)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            stack.callback(server.shutdown)
        ports = {"http": by_http, "https": by_https, "socks5": by_socks}
        proxies = {scheme: f"127.0.0.1:{each.server_address[1]}" for scheme, each in ports.items()}
        yield Recorder(secure, secure.server_address[1], insecure.server_address[1], proxies)
