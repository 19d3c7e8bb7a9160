"""Fakes the API server's ways into pods: the proxy, and exec over a WebSocket."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aiohttp import web
from aiohttp.test_utils import TestServer

CHANNELS = "v4.channel.k8s.io"


class PodServer:
    """Use as `async with`. Answers what it was given; 403 and 404 as an API server has them."""

    def __init__(self, pages: Mapping[str, tuple[int, str]], commands: Mapping[str, tuple[int, str]]) -> None:
        """Pages by path, with their status; output by command (its arguments joined by spaces), with its exit
        code."""
        self.pages = pages
        self.commands = commands
        self.complaint = "a warning"
        """What each command says besides."""
        self.failure = "command terminated with exit code {code}"
        """Of a command that fails."""
        self.asked: list[str] = []
        application = web.Application()
        application.router.add_get("/api/v1/namespaces/{namespace}/pods/{pod}/proxy{rest:.*}", self._proxy)
        application.router.add_get("/api/v1/namespaces/{namespace}/pods/{pod}/exec", self._exec)
        self._server = TestServer(application)

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    async def __aenter__(self) -> PodServer:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    async def _proxy(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        status, body = self.pages.get(request.path_qs.partition("/proxy")[2], (404, "no such page"))
        return web.Response(status=status, text=body)

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        expected = " ".join(request.query.getall("command"))
        if expected not in self.commands:
            message = 'pods "zk-0" is forbidden: User "fleet" cannot get resource "pods/exec"'
            return web.json_response({"kind": "Status", "code": 403, "message": message}, status=403)
        code, result = self.commands[expected]
        socket = web.WebSocketResponse(protocols=(CHANNELS,))
        await socket.prepare(request)
        assert socket.ws_protocol == CHANNELS
        half = len(result) // 2
        # As a kubelet sends it: a first empty frame on each channel, then what it has, in pieces.
        for channel, part in ((1, ""), (2, ""), (1, result[:half]), (2, self.complaint), (1, result[half:])):
            await socket.send_bytes(bytes([channel]) + part.encode())
        ended = {"status": "Success"}
        if code:
            ended = {"status": "Failure", "message": self.failure.format(code=code)}
        if code >= 0:
            await socket.send_bytes(b"\x03" + json.dumps(ended).encode())
        await socket.close()
        return socket
