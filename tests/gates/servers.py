"""Real Prometheus and Alertmanager on loopback, one of each for the tests that ask them."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.installed import installed

SECONDS = 60.0
"""No server needs so long to be ready."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(command: Sequence[str], url: str, log: Path) -> Iterator[str]:
    """Runs a server until the end of the context. Yields its URL once it is ready (`/-/ready`)."""
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent)
    try:
        until(lambda: server.poll() is not None or answers(f"{url}/-/ready"), log.read_text)
        assert server.poll() is None, log.read_text()
        yield url
    finally:
        server.terminate()
        server.wait()


def until(condition: Callable[[], bool], state: Callable[[], object]) -> None:
    """Waits until the condition holds. Fails with the state if that takes too long."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, state()
        time.sleep(0.05)  # noqa: TID251 - the condition is asked again


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[None]:
    """Serves in a thread, which ends with the context."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Metrics:
    """A web server whose metrics the test sets."""

    def __init__(self) -> None:
        self.text = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(outer.text.encode())

            def log_message(self, format: str, *args: object) -> None:
                """Writes nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def served(self) -> AbstractContextManager[None]:
        return served(self._server)


CONFIG = "route: {receiver: none, group_wait: 1s}\nreceivers: [{name: none}]\n"


@contextmanager
def alertmanager(folder: Path, port: int = 0) -> Iterator[str]:
    """Runs Debian's Alertmanager with its data in the folder. Yields its URL."""
    program = installed("prometheus-alertmanager", "prometheus-alertmanager")
    (folder / "alertmanager.yml").write_text(CONFIG)
    port = port or free_port()
    command = [
        program,
        f"--config.file={folder}/alertmanager.yml",
        f"--storage.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with running(command, f"http://127.0.0.1:{port}", folder / "log") as url:
        yield url


class Alerts:
    """Alertmanager's API as other programs use it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/api/v2/{path}", data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def fire(self, name: str, **labels: str) -> None:
        self.call("alerts", [{"labels": {"alertname": name, **labels}}])

    def firing(self) -> list[dict[str, str]]:
        """Returns the labels of the alerts that fire and are not silenced."""
        found = self.call("alerts?silenced=false&inhibited=false")
        return [alert["labels"] for alert in found]

    def silences(self) -> list[dict[str, Any]]:
        """Returns the silences that have not ended."""
        return [each for each in self.call("silences") if each["status"]["state"] != "expired"]

    def delete(self, silence: str) -> None:
        request = urllib.request.Request(f"{self.url}/api/v2/silence/{silence}", method="DELETE")
        with urllib.request.urlopen(request, timeout=10):
            return
