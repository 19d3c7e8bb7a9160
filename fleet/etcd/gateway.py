"""One member of an etcd, over the JSON gateway of its client port (`/v3/...`, gRPC-gateway: 64-bit numbers are texts)."""

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
"""How long a member may take to answer what it knows by itself."""
LONG_SECONDS = 120.0
"""And for what reads or writes its whole database."""
MOST_BYTES = 4 << 20
"""Most bytes of an answer that is not a snapshot; the metrics of a large member take half a megabyte."""
_OUT_OF_TIME = (9, 10)
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""
WORDS_MOST = 400
"""Characters of a refusal."""
LINE_BYTES = 1 << 20
"""Most bytes of one piece of a snapshot; etcd sends 32 KiB, which base64 makes longer."""


class _Refusal(Struct, frozen=True):
    message: str = ""
    error: str | _Refusal = ""


def trust(access: EtcdAccess) -> ssl.SSLContext:
    """Raises EtcdError for files that are not there or hold no certificate."""
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
    """Knows its socket from before the handshake until its answer is read, so that it can be cut at any moment: the library
    lets go of it earlier. `context`: None for plain HTTP."""

    def __init__(self, host: str, port: int, seconds: float, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=seconds)
        self._context = context
        self._opened: socket.socket | None = None
        self.late = False
        """It was cut."""

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
        """Ends whatever is being read of it, in whichever thread."""
        self.late = True
        if self._opened is not None:
            with suppress(OSError):
                # Not by SSLSocket's own shutdown, which takes the session away from who reads.
                socket.socket.shutdown(self._opened, socket.SHUT_RDWR)


class Gateway:
    """`endpoint`: its client URL. Each call is a connection of its own."""

    def __init__(self, endpoint: str, context: ssl.SSLContext) -> None:
        self.endpoint = endpoint
        self._context = context

    def call(
        self, path: str, body: Mapping[str, Any] | None = None, seconds: float = SECONDS
    ) -> dict[str, Any]:
        """Raises RefusedError where the member answers with a refusal, and EtcdError where it gives no answer."""
        with self._connection(seconds) as connection:
            return self._ask(connection, path, body or {})

    def timed(self, path: str) -> tuple[dict[str, Any], float]:
        """Returns the answer, and the round trip in seconds on a connection that is open already."""
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
        """Yields the pieces of an answer that comes in many. Each is waited for as long: nobody knows how large
        the database is."""
        with self._connection(LONG_SECONDS, whole=False) as connection:
            connection.request("POST", path, "{}", {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != 200:
                raise EtcdError(f"{self.endpoint}: {_words(_body(response))}")
            while line := response.readline(LINE_BYTES):
                piece = decode(line, dict[str, Any])
                if "error" in piece:
                    raise EtcdError(f"{self.endpoint}: {_words(line)}")
                yield convert(piece.get("result"), dict[str, Any])

    def _ask(
        self, connection: http.client.HTTPConnection, path: str, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        found = _body(response)
        if response.status != 200:
            raise EtcdRefusedError(f"{self.endpoint}: {_words(found)}")
        return decode(found, dict[str, Any])

    @contextmanager
    def _connection(self, seconds: float, whole: bool = True) -> Iterator[http.client.HTTPConnection]:
        """Opens a connection. `seconds`: for each read from the member, and with `whole` for all together: a
        member that sends a byte at a time would go on for ever."""
        try:
            parts = urlsplit(self.endpoint)
            host, port = parts.hostname or "", parts.port or 2379
        except ValueError as error:
            raise EtcdError(f"{self.endpoint[:WORDS_MOST]!r} is no address: {error}") from None
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


def _words(body: bytes) -> str:
    """Returns etcd's own message, where there is one."""
    try:
        answer = decode(body, _Refusal)
    except UnreadableError:
        return body[:WORDS_MOST].decode(errors="replace") or "no words"
    inner = answer.error.message if isinstance(answer.error, _Refusal) else answer.error
    return (answer.message or inner or body.decode(errors="replace"))[:WORDS_MOST]


def _refusal(connection: http.client.HTTPConnection) -> ssl.SSLError | None:
    """Returns what a server has said that hung up while we were still sending: in TLS 1.3 a client is done with the
    handshake before the server has looked at its certificate (RFC 8446, section 4.4)."""
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
            return "it refuses the client certificate as expired or not yet valid: is that so, or is its clock wrong?"
        return f"it refuses the connection ({alert.lower().replace('_', ' ')})"
    if isinstance(error, ssl.SSLEOFError | ConnectionResetError | BrokenPipeError):
        return f"it hung up ({error}): does it take the client certificate, and is its clock right?"
    return str(error) or type(error).__name__
