"""Lists in pages, watches with bookmarks, merge patches with preconditions; faults on request.

What it keeps is what was put into it: it has no controllers, and its budgets are what a test says they are.
"""

from __future__ import annotations

import asyncio
import copy
import json
import ssl
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiohttp import web

Json = dict[str, Any]

GROUPED = (
    "/api/v1/nodes",
    "/api/v1/pods",
    "/apis/policy/v1/poddisruptionbudgets",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/replicasets",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/batch/v1/jobs",
    "/api/v1/persistentvolumes",
    "/api/v1/persistentvolumeclaims",
    "/apis/storage.k8s.io/v1/volumeattachments",
    "/apis/fleet.internal/v1/machines",
    "/apis/coordination.k8s.io/v1/leases",
    "/apis/maintenance.nvidia.com/v1alpha1/nodemaintenances",
    "/apis/nodemaintenance.medik8s.io/v1beta1/nodemaintenances",
    "/apis/machineconfiguration.openshift.io/v1/machineconfignodes",
)


@dataclass
class Fault:
    """What the next `times` requests that fit get instead of an answer."""

    method: str
    path: str
    """The end of the request's path."""
    status: int
    body: Json | str
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    watch: bool | None = None
    """Only watches, or only what is none."""
    then: Callable[[], Awaitable[object]] | None = None
    """Happens before the answer is given."""


@dataclass
class Line:
    revision: int
    path: str
    event: Json


class ApiServer:
    """Use as `async with`. `url` is its address."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.served = set(GROUPED)
        """Kinds by path; take one away, and the server does not know it."""
        self.objects: dict[str, dict[tuple[str, str], Json]] = {path: {} for path in GROUPED}
        self.revision = 1
        self.oldest = 0
        """Watches and continued lists from before this revision are answered with 410."""
        self.token: str | None = None
        """The only one that is let in; None: everybody is."""
        self.forbidden: set[tuple[str, str]] = set()
        """Verb and resource, or path where it is none."""
        self.versions = deque(["v1.36.3"])
        """Of the servers behind one address, which answer in turn."""
        self.faults: list[Fault] = []
        self.evictions: deque[tuple[int, Json | str, dict[str, str]]] = deque()
        """Answers to the next evictions; without any they are granted."""
        self.asked: list[tuple[str, str, Any]] = []
        """Requests: method, path with query, body."""
        self.headers: list[list[tuple[str, str]]] = []
        """Of each request."""
        self.seen: Counter[str] = Counter()
        """Requests by method and path, without the query."""
        self.repeats = 1
        """How often each event is sent."""
        self.silent = False
        """Requests are taken and not answered."""
        self._tls = tls
        self._log: list[Line] = []
        self._news = asyncio.Condition()
        self._broken = 0
        """Grows when all watches are to break."""
        self._cache: tuple[int, dict[str, dict[tuple[str, str], Json]]] | None = None
        """What lists tell where that is not what there is, and its revision."""
        self._pages: dict[str, tuple[int, list[Json]]] = {}
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> ApiServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """On the port it had before, if it ran before."""
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await self.break_watches()
            await runner.cleanup()

    async def put(self, path: str, body: Json) -> Json:
        """Creates or replaces an object and notifies its watches."""
        key = _key(body)
        kept = self.objects[path]
        kind = "MODIFIED" if key in kept else "ADDED"
        uid = kept[key]["metadata"]["uid"] if key in kept else str(uuid4())
        found = copy.deepcopy(body)
        found["metadata"].setdefault("uid", uid)
        await self._note(path, kind, found)
        return found

    async def drop(self, path: str, name: str, namespace: str = "") -> None:
        found = self.objects[path].pop((namespace, name))
        await self._note(path, "DELETED", copy.deepcopy(found))

    async def forget(self) -> None:
        """Compacts: who goes on from an earlier revision has to list again. Open watches break."""
        self.revision += 1
        self.oldest = self.revision
        self._pages.clear()
        await self.break_watches()

    def keep(self) -> tuple[int, dict[str, dict[tuple[str, str], Json]]]:
        """What its etcd holds now, for `restore`."""
        return self.revision, copy.deepcopy(self.objects)

    def restore(self, kept: tuple[int, dict[str, dict[tuple[str, str], Json]]]) -> None:
        """Its etcd holds what it held then, and the server does not know: as the real one it goes on listing the state
        of before from its cache, and its watches wait for revisions that are still to come."""
        self._cache = (self.revision, copy.deepcopy(self.objects))
        self.revision, self.objects = kept[0], copy.deepcopy(kept[1])

    async def restart(self) -> None:
        """The server reads its etcd anew. Watches break."""
        self._cache = None
        await self.break_watches()

    async def break_watches(self) -> None:
        async with self._news:
            self._broken += 1
            self._news.notify_all()

    async def bookmark(self, path: str) -> None:
        await self._note(path, "BOOKMARK", {"metadata": {}})

    async def _note(self, path: str, kind: str, body: Json) -> None:
        self.revision += 1
        body["metadata"]["resourceVersion"] = str(self.revision)
        if kind in ("ADDED", "MODIFIED"):
            self.objects[path][_key(body)] = body
        async with self._news:
            self._log.append(Line(self.revision, path, {"type": kind, "object": copy.deepcopy(body)}))
            self._news.notify_all()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        body: Any = await request.json() if request.can_read_body else None
        self.asked.append((request.method, request.path_qs, body))
        self.headers.append(list(request.headers.items()))
        self.seen[f"{request.method} {path}"] += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.token is not None and request.headers.get("authorization") != f"Bearer {self.token}":
            return _status(401, "Unauthorized", "Unauthorized")
        if (fault := self._fault(request)) is not None:
            if fault.then is not None:
                await fault.then()
            return _response(fault.status, fault.body, fault.headers)
        if path == "/version":
            self.versions.rotate(-1)
            return web.json_response({"gitVersion": self.versions[-1]})
        if path.endswith("/selfsubjectaccessreviews"):
            asked = next(iter(body["spec"].values()))
            what = asked["resource"] if "resource" in asked else asked["path"]
            allowed = (asked["verb"], what) not in self.forbidden
            return web.json_response({"status": {"allowed": allowed}}, status=201)
        if path.startswith("/apis/") and path.count("/") == 2:
            served = any(each.startswith(f"{path}/") for each in self.served)
            return web.json_response({"name": path[6:]}) if served else _status(404, "NotFound", "not found")
        if path.endswith("/eviction"):
            return await self._evict(path)
        return await self._resource(request, body)

    def _fault(self, request: web.Request) -> Fault | None:
        for fault in self.faults:
            fits = fault.watch is None or fault.watch == ("watch" in request.query)
            if (
                fault.times
                and fits
                and (request.method, True)
                == (
                    fault.method,
                    request.path.endswith(fault.path),
                )
            ):
                fault.times -= 1
                return fault
        return None

    async def _resource(self, request: web.Request, body: Any) -> web.StreamResponse:
        found = _split(request.path)
        if found is None or found[0] not in self.served:
            return web.Response(status=404, text="404 page not found\n")
        path, key = found
        verb = _verb(request, key)
        if (verb, path.rpartition("/")[2]) in self.forbidden:
            expected = f'{path.rpartition("/")[2]} is forbidden: User "x" cannot {verb} resource'
            return _status(403, "Forbidden", expected)
        match verb:
            case "list":
                return self._list(path, request)
            case "watch":
                return await self._watch(path, request)
            case "create":
                return await self._create(path, key, body)
        if key not in self.objects[path]:
            return _status(404, "NotFound", f'"{key[1]}" not found')
        if verb == "get":
            return web.json_response(self.objects[path][key])
        return await self._change(path, key, body, verb)

    def _list(self, path: str, request: web.Request) -> web.Response:
        token = request.query.get("continue", "")
        if token:
            if token not in self._pages:
                return _status(410, "Expired", "The provided continue parameter is too old")
            revision, items = self._pages.pop(token)
        else:
            revision, objects = self._cache or (self.revision, self.objects)
            items = list(objects[path].values())
        limit = int(request.query.get("limit", 0)) or len(items)
        meta = {"resourceVersion": str(revision)}
        if len(items) > limit:
            meta["continue"] = uuid4().hex
            self._pages[meta["continue"]] = (revision, items[limit:])
        return web.json_response({"metadata": meta, "items": items[:limit]})

    async def _watch(self, path: str, request: web.Request) -> web.StreamResponse:
        after, broken = int(request.query["resourceVersion"]), self._broken
        if after < self.oldest:
            # As the real server does: the watch begins, and its first event says that it cannot.
            expired = {"type": "ERROR", "object": _failure(410, "Expired", "too old resource version")}
            return web.Response(text=json.dumps(expired) + "\n")
        response = web.StreamResponse()
        response.headers["Content-Type"] = "application/json"
        await response.prepare(request)
        async for line in self._lines(path, after, broken):
            try:
                await response.write(json.dumps(line.event).encode() + b"\n")
            except ConnectionResetError:
                return response
        if request.transport is not None:
            request.transport.abort()
        return response

    async def _lines(self, path: str, after: int, broken: int) -> AsyncIterator[Line]:
        at = 0
        while self._broken == broken:
            while at < len(self._log):
                line = self._log[at]
                at += 1
                seen = self._cache[0] if self._cache is not None else 0
                if line.path == path and line.revision > max(after, seen):
                    for _ in range(self.repeats):
                        yield line
            async with self._news:
                if self._broken == broken and at == len(self._log):
                    await self._news.wait()

    async def _create(self, path: str, key: tuple[str, str], body: Json) -> web.Response:
        key = (key[0], body["metadata"]["name"])
        if key in self.objects[path]:
            return _status(409, "AlreadyExists", f'"{key[1]}" already exists')
        return web.json_response(await self.put(path, body), status=201)

    async def _change(self, path: str, key: tuple[str, str], body: Json, verb: str) -> web.Response:
        old = self.objects[path][key]
        asked = body.get("metadata", {})
        for name in ("uid", "resourceVersion"):
            if name in asked and asked[name] != old["metadata"][name]:
                return _status(409, "Conflict", "the object has been modified")
        new = _merged(old, body) if verb == "patch" else body
        return web.json_response(await self.put(path, new))

    async def _evict(self, path: str) -> web.Response:
        namespace, name = path.split("/")[4], path.split("/")[6]
        if self.evictions:
            status, body, headers = self.evictions.popleft()
            return _response(status, body, headers)
        pod = self.objects["/api/v1/pods"].get((namespace, name))
        if pod is None:
            return _status(404, "NotFound", f'pods "{name}" not found')
        gone = copy.deepcopy(pod)
        gone["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        await self.put("/api/v1/pods", gone)
        return web.json_response({"status": "Success"}, status=201)


def _key(body: Json) -> tuple[str, str]:
    return body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _split(path: str) -> tuple[str, tuple[str, str]] | None:
    """The kind's path, namespace and name."""
    parts = path.strip("/").split("/")
    head = 2 if parts[0] == "api" else 3
    rest = parts[head:]
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    if not rest:
        return None
    return "/" + "/".join([*parts[:head], rest[0]]), (namespace, rest[1] if len(rest) > 1 else "")


def _verb(request: web.Request, key: tuple[str, str]) -> str:
    if request.method == "GET":
        return "watch" if "watch" in request.query else "get" if key[1] else "list"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}[request.method]


def _merged(old: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    new = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            new.pop(name, None)
        else:
            new[name] = _merged(new.get(name), value)
    return new


def _failure(code: int, reason: str, message: str) -> Json:
    return {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}


def _status(code: int, reason: str, message: str) -> web.Response:
    return web.json_response(_failure(code, reason, message), status=code)


def _response(status: int, body: Json | str, headers: dict[str, str]) -> web.Response:
    if isinstance(body, str):
        return web.Response(status=status, text=body, headers=headers)
    return web.Response(
        text=json.dumps(body) + "\n", status=status, headers=headers, content_type="application/json"
    )
