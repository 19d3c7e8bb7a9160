"""An etcd that holds state, a member on each box: asked over HTTP as the JSON gateway of a real one, deaf while its box
is down or its program has ended, and for some questions after each boot."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from fleet.core.quorum.groups import EtcdAccess, QuorumGroup
from fleet.core.quorum.quorum import QuorumRule
from tests.programs.hosts.boxes import Box

DEAF = 3
"""Questions after a boot that a member leaves without an answer."""
PAGE = b"data" * 128


class Went(NamedTuple):
    """A box at the moment of its reboot."""

    name: str
    led: bool
    others: int
    """Other members that voted."""
    out: tuple[str, ...]
    """Other boxes that were out of service."""
    snapshots: int
    """That had been taken until then."""


class Voters:
    """The first box leads at first. Where the leader goes without handing over, another one is elected."""

    def __init__(self, boxes: Mapping[str, Box]) -> None:
        self.leader = next(iter(boxes))
        self.elections = 0
        self.moved: list[str] = []
        """To whom leadership was handed."""
        self.went: list[Went] = []
        self.stopped: set[str] = set()
        """Members whose program does not run until their box boots."""
        self.readings = 0
        self._boxes = boxes
        self._idents = {name: str(index + 1) for index, name in enumerate(boxes)}
        self._deaf = dict.fromkeys(boxes, 0)
        self._snapshots = 0
        self._ports: dict[str, int] = {}
        self._lock = threading.Lock()
        for name, box in boxes.items():
            box.goes = partial(self._goes, name)

    @contextmanager
    def serving(self) -> Iterator[None]:
        with ExitStack() as stack:
            for name in self._boxes:
                server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, name))
                stack.callback(server.server_close)
                self._ports[name] = server.server_address[1]
                thread = threading.Thread(target=server.serve_forever, args=(0.02,))
                thread.start()
                stack.callback(thread.join)
                stack.callback(server.shutdown)
            yield

    def group(self, rule: QuorumRule) -> QuorumGroup:
        """As the policy declares it."""
        endpoints = tuple(map(self._url, self._boxes))
        return QuorumGroup("books", "shop", rule=rule, access=EtcdAccess(endpoints=endpoints))

    def answer(self, name: str, path: str, body: Mapping[str, Any]) -> list[dict[str, Any]] | None:
        """The answer of a member, in pieces; None: no answer."""
        with self._lock:
            if not self._hears(name):
                return None
            match path:
                case "/v3/maintenance/status":
                    return [self._status(name)]
                case "/v3/cluster/member/list":
                    self.readings += name == next(iter(self._boxes))
                    return [{"members": [self._member(each) for each in self._boxes]}]
                case "/v3/maintenance/transfer-leadership":
                    assert name == self.leader, "only who leads can hand over"
                    self.leader = next(
                        each for each, ident in self._idents.items() if ident == body["targetID"]
                    )
                    self.moved.append(self.leader)
                    return [{}]
                case "/v3/maintenance/snapshot":
                    self._snapshots += 1
                    pieces = (PAGE, sha256(PAGE).digest())
                    return [{"result": {"blob": base64.b64encode(each).decode()}} for each in pieces]
        raise AssertionError(f"{path} was not to be asked")

    def _hears(self, name: str) -> bool:
        if not self._there(name):
            return False
        deaf = self._deaf[name]
        self._deaf[name] = max(0, deaf - 1)
        return not deaf

    def _there(self, name: str) -> bool:
        return not self._boxes[name].down and name not in self.stopped

    def _votes(self, name: str) -> bool:
        return self._there(name) and not self._deaf[name]

    def _goes(self, name: str) -> None:
        with self._lock:
            others = [each for each in self._boxes if each != name]
            out = tuple(each for each in others if (self._boxes[each].hooks or ["in"])[-1].startswith("out"))
            voting = [each for each in others if self._votes(each)]
            self.went.append(Went(name, name == self.leader, len(voting), out, self._snapshots))
            self.stopped.discard(name)
            self._deaf[name] = DEAF
            if name == self.leader and voting:
                self.elections += 1
                self.leader = voting[0]

    def _status(self, name: str) -> dict[str, Any]:
        term = str(2 + self.elections + len(self.moved))
        return {
            "header": {
                "cluster_id": "9",
                "member_id": self._idents[name],
                "revision": "40",
                "raft_term": term,
            },
            "version": "3.6.8",
            "dbSize": "4096",
            "leader": self._idents[self.leader],
            "raftIndex": "100",
            "raftTerm": term,
            "raftAppliedIndex": "100",
        }

    def _member(self, name: str) -> dict[str, Any]:
        return {"ID": self._idents[name], "name": name, "clientURLs": [self._url(name)]}

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"


def _handler(voters: Voters, name: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            pieces = voters.answer(name, self.path, body)
            if pieces is None:
                self.close_connection = True
                return
            reported = "\n".join(map(json.dumps, pieces)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(reported)))
            self.end_headers()
            self.wfile.write(reported)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    return Handler
