"""One member of an etcd, through the JSON gateway of its client port (`/v3/...`, gRPC-gateway: 64-bit numbers are
strings)."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from fleet.core.quorum.groups import EtcdAccess
from fleet.core.text.untrusted import UnreadableError, convert, decode
from fleet.etcd.errors import EtcdError, EtcdRefusedError

SECONDS = 5.0
"""Seconds for an answer that a member gives by itself."""
LONG_SECONDS = 120.0
"""Seconds for a call that reads or writes the member's whole database."""
MOST_BYTES = 4 << 20
"""The most bytes of an answer that is not a snapshot; the metrics of a large member have half a megabyte."""
_OUT_OF_TIME = (9, 10)
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""
WORDS_MOST = 400
"""The most characters of a refusal that are kept."""
LINE_BYTES = 1 << 20
"""The most bytes of one piece of a snapshot; etcd sends 32 KiB, which base64 makes longer."""


class _Refusal(Struct, frozen=True):
    message: str = ""
    error: str | _Refusal = ""


def trust(access: EtcdAccess) -> ssl.SSLContext:
    """Returns a TLS context with the given files. Raises EtcdError for files that are missing or hold no
    certificate."""
    try:
        context = ssl.create_default_context(cafile=access.ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if access.cert:
            context.load_cert_chain(access.cert, access.key or None)
    except (OSError, ssl.SSLError) as error:
        named = ", ".join(name for name in (access.ca, access.cert, access.key) if name)
        raise EtcdError(f"the certificates cannot be read ({named}): {error}") from error
    return context


class _Connection(http.client.HTTPConnection):
    """A connection that keeps its socket from before the handshake until the response is read, so that it can be
    closed at any moment; the library releases the socket earlier. `context` is None for plain HTTP."""

    def __init__(self, host: str, port: int, seconds: float, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=seconds)
        self._context = context
        self._opened: socket.socket | None = None
        self.late = False
        """True if the connection was closed by `cut`."""

    def connect(self) -> None:
        """Connects, and checks the server's certificate."""
        super().connect()
        if self._context is not None:
            self.sock = self._context.wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
        self._opened = self.sock
        if self.late:
            raise TimeoutError
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.do_handshake()

    def cut(self) -> None:
        """Ends the read on this connection, in whichever thread it runs."""
        self.late = True
        if self._opened is not None:
            with suppress(OSError):
                # SSLSocket's own shutdown is not used: it removes the TLS session under the thread that reads.
                socket.socket.shutdown(self._opened, socket.SHUT_RDWR)


class Gateway:
    """One member. `endpoint` is its client URL. Each call uses a new connection."""

    def __init__(self, endpoint: str, context: ssl.SSLContext) -> None:
        self.endpoint = endpoint
        self._context = context

    def call(
        self, path: str, body: Mapping[str, Any] | None = None, seconds: float = SECONDS
    ) -> dict[str, Any]:
        """Returns the answer to a call. Raises EtcdRefusedError where the member answers with a refusal, and EtcdError
        where it does not answer."""
        with self._connection(seconds) as connection:
            return self._ask(connection, path, body or {})

    def timed(self, path: str) -> tuple[dict[str, Any], float]:
        """Returns the answer, and the round trip in seconds on a connection that is already open."""
        with self._connection(SECONDS) as connection:
            self._ask(connection, path, {})
            begun = time.monotonic()
            answer = self._ask(connection, path, {})
            return answer, time.monotonic() - begun

    def metrics(self) -> str:
        with self._connection(SECONDS) as connection:
            connection.request("GET", "/metrics")
            return _body(connection.getresponse()).decode(errors="replace")

    def stream(self, path: str) -> Iterator[dict[str, Any]]:
        """Yields the pieces of an answer that comes in many. The timeout counts for each piece, since the size of the
        database is unknown."""
        with self._connection(LONG_SECONDS, whole=False) as connection:
            connection.request("POST", path, "{}", {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != 200:
                raise EtcdError(f"{self.endpoint}: {_error_message(_body(response))}")
            while line := response.readline(LINE_BYTES):
                piece = decode(line, dict[str, Any])
                if "error" in piece:
                    raise EtcdError(f"{self.endpoint}: {_error_message(line)}")
                yield convert(piece.get("result"), dict[str, Any])

    def _ask(
        self, connection: http.client.HTTPConnection, path: str, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        found = _body(response)
        if response.status != 200:
            raise EtcdRefusedError(f"{self.endpoint}: {_error_message(found)}")
        return decode(found, dict[str, Any])

    @contextmanager
    def _connection(self, seconds: float, whole: bool = True) -> Iterator[http.client.HTTPConnection]:
        """Opens a connection. `seconds` limits each read from the member and, with `whole`, all reads together: a
        member that sends one byte at a time would otherwise go on for ever."""
        try:
            parts = urlsplit(self.endpoint)
            host, port = parts.hostname or "", parts.port or 2379
        except ValueError as error:
            raise EtcdError(f"{self.endpoint[:WORDS_MOST]!r} is not an address: {error}") from None
        connection = _Connection(host, port, seconds, self._context if parts.scheme == "https" else None)
        clock = threading.Timer(seconds, connection.cut)
        clock.daemon = True
        if whole:
            clock.start()
        try:
            yield connection
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = _why(TimeoutError() if connection.late else _refusal(connection) or error)
            raise EtcdError(f"{self.endpoint}: {why}") from error
        finally:
            clock.cancel()
            connection.close()


def _body(response: http.client.HTTPResponse) -> bytes:
    found = response.read(MOST_BYTES + 1)
    if len(found) > MOST_BYTES:
        raise ValueError(f"an answer of more than {MOST_BYTES} bytes")
    return found


def _error_message(body: bytes) -> str:
    """Returns etcd's own message, if there is one."""
    try:
        answer = decode(body, _Refusal)
    except UnreadableError:
        return body[:WORDS_MOST].decode(errors="replace") or "no words"
    inner = answer.error.message if isinstance(answer.error, _Refusal) else answer.error
    return (answer.message or inner or body.decode(errors="replace"))[:WORDS_MOST]


def _refusal(connection: http.client.HTTPConnection) -> ssl.SSLError | None:
    """Returns the TLS alert of a server that closed the connection while the request was still being sent: in TLS 1.3
    a client completes the handshake before the server has checked its certificate (RFC 8446, section 4.4)."""
    if connection.sock is None:
        return None
    try:
        connection.sock.settimeout(0)
        connection.sock.recv(1)
    except ssl.SSLError as error:
        return error if "_ALERT_" in (error.reason or "") else None
    except OSError:
        pass
    return None


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        clock = " by the clock here" if error.verify_code in _OUT_OF_TIME else ""
        return f"its certificate is refused: {error.verify_message}{clock}"
    if isinstance(error, ssl.SSLError) and "_ALERT_" in (error.reason or ""):
        alert = error.reason.partition("_ALERT_")[2]
        if alert == "CERTIFICATE_EXPIRED":
            return "it refuses the client certificate as expired or not yet valid: check the dates and the member's clock"
        return f"it refuses the connection ({alert.lower().replace('_', ' ')})"
    if isinstance(error, ssl.SSLEOFError | ConnectionResetError | BrokenPipeError):
        return f"it closed the connection ({error}): does it accept the client certificate, and is its clock right?"
    return str(error) or type(error).__name__
