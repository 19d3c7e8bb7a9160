"""Plain calls to an API server for tests: JSON in, JSON out. Shares no code with `fleet`."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import urllib3
from kubernetes import config

Json = dict[str, Any]

_WATCH_SECONDS = 60
_LAST_WATCH_SECONDS = 1
_RETRY_SECONDS = 0.2


class Refused(AssertionError):
    """The API server answered with an error that the test did not expect."""

    def __init__(self, method: str, path: str, status: int, body: Json) -> None:
        super().__init__(f"{method} {path}: {status} {body.get('reason')} {body.get('message')}")
        self.status = status
        self.body = body


class Cluster:
    """One API server, as the user of a kubeconfig."""

    def __init__(self, kubeconfig: Path, patience: float = 0.0, user: str = "") -> None:
        """`patience`: seconds for which a GET is sent again over a connection that breaks. `user`: who may do everything,
        and is impersonated."""
        self._patience = patience
        client = config.new_client_from_config(str(kubeconfig), persist_config=False)
        self._pool: urllib3.PoolManager = client.rest_client.pool_manager
        self._pool.connection_pool_kw["maxsize"] = 16
        self._url: str = client.configuration.host
        bearer = client.configuration.auth_settings().get("BearerToken")
        self._headers = {"authorization": bearer["value"]} if bearer else {}
        if user:
            self._headers |= {"impersonate-user": user, "impersonate-group": "system:masters"}

    def call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        patch: str = "merge",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[int, Json]:
        """One request; the status and the decoded body, whatever they are. `headers`: those besides the usual ones."""
        deadline = time.monotonic() + (self._patience if method == "GET" else 0.0)
        while True:
            try:
                return self._send(method, path, body, patch, headers)
            except urllib3.exceptions.HTTPError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_SECONDS)  # noqa: TID251 - between two looks at the condition

    def _send(
        self, method: str, path: str, body: Json | None, patch: str, headers: Mapping[str, str]
    ) -> tuple[int, Json]:
        form = "yaml" if patch == "apply" else "json"
        kind = f"application/{patch}-patch+{form}" if method == "PATCH" else "application/json"
        response = self._pool.request(
            method,
            self._url + path,
            body=None if body is None else json.dumps(body),
            headers={**self._headers, "content-type": kind, "accept": "application/json", **headers},
            timeout=30,
            retries=False,
        )
        return response.status, _decoded(response)

    def get(self, path: str) -> Json:
        return self._expect("GET", path, None, (200,))

    def find(self, path: str) -> Json | None:
        """The object, or None when there is none."""
        status, body = self.call("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise Refused("GET", path, status, body)
        return body

    def create(self, path: str, body: Json) -> Json:
        return self._expect("POST", path, body, (201,))

    def patch(self, path: str, body: Json, patch: str = "merge") -> Json:
        status, answer = self.call("PATCH", path, body, patch)
        if status != 200:
            raise Refused("PATCH", path, status, answer)
        return answer

    def delete(self, path: str, **options: object) -> None:
        """Deletes an object or a collection; nothing to delete is fine."""
        self._expect(
            "DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", **options}, (200, 202, 404)
        )

    def evict(self, namespace: str, pod: str) -> tuple[int, Json]:
        """Asks the Eviction API for a pod to go."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"namespace": namespace, "name": pod},
        }
        return self.call("POST", f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction", body)

    def stream(self, path: str) -> Stream:
        """A list and then a watch of the objects at `path`."""
        return Stream(self, path)

    def open(self, path: str) -> urllib3.BaseHTTPResponse:
        """A response whose body is read as it comes."""
        return self._pool.request(
            "GET",
            self._url + path,
            headers=self._headers,
            preload_content=False,
            timeout=urllib3.Timeout(connect=5, read=_WATCH_SECONDS + 30),
            retries=False,
        )

    def _expect(self, method: str, path: str, body: Json | None, fine: tuple[int, ...]) -> Json:
        status, answer = self.call(method, path, body)
        if status not in fine:
            raise Refused(method, path, status, answer)
        return answer


class Stream:
    """A list, then its changes, over broken connections, until told to stop; nothing is left out.

    Yields ("SYNC", list of objects) first and after every gap (410 Gone), and ("ADDED" | "MODIFIED" |
    "DELETED", object) in between. After `stop` it still delivers what had happened by then.
    """

    def __init__(self, cluster: Cluster, path: str) -> None:
        self._cluster = cluster
        self._path = path
        self._version: str | None = None
        self._stopping = threading.Event()
        self._open: urllib3.BaseHTTPResponse | None = None
        self._closing = threading.Lock()

    def stop(self) -> None:
        """Ends the stream, from another thread."""
        self._stopping.set()
        with self._closing:
            if self._open is not None:
                # It may have ended or broken by itself, and the reading thread not know yet.
                with contextlib.suppress(ValueError, RuntimeError, OSError):
                    self._open.shutdown()

    def events(self) -> Iterator[tuple[str, Any]]:
        while not self._stopping.is_set():
            try:
                yield from self._once(_WATCH_SECONDS)
            except (urllib3.exceptions.HTTPError, OSError, ValueError, Refused):
                # The connection broke, perhaps in the middle of a line, or the server is just starting.
                # The version we have is still good.
                self._stopping.wait(_RETRY_SECONDS)
        yield from self._once(_LAST_WATCH_SECONDS)

    def _once(self, seconds: int) -> Iterator[tuple[str, Any]]:
        if self._version is None:
            listed = self._cluster.get(self._path)
            self._version = listed["metadata"]["resourceVersion"]
            yield "SYNC", listed["items"]
        query = (
            f"watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={self._version}"
        )
        response = self._cluster.open(f"{self._path}?{query}")
        self._open = response
        try:
            for line in _lines(response):
                event = json.loads(line)
                kind, found = event["type"], event["object"]
                if kind == "ERROR":
                    self._version = None
                    return
                self._version = found["metadata"]["resourceVersion"]
                if kind != "BOOKMARK":
                    yield kind, found
        finally:
            with self._closing:
                self._open = None
                response.close()


def _decoded(response: urllib3.BaseHTTPResponse) -> Json:
    """The body; what is no JSON (a path that is not served) as a message."""
    try:
        body: Json = json.loads(response.data or b"{}")
    except ValueError:
        return {"message": response.data.decode(errors="replace")}
    return body


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    if response.status != 200:
        raise OSError(f"watch refused: {response.status} {response.read()!r}")
    rest = b""
    for chunk in response.stream(1 << 16, decode_content=True):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
