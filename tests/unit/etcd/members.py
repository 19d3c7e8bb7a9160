"""Members of an etcd as its JSON gateway answers, over plain HTTP on the loopback network."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fleet.core.quorum.groups import EtcdAccess, QuorumGroup
from fleet.etcd.etcd import Etcd


@dataclass
class Cluster:
    """What its members know. A test changes that."""

    leader: int = 1
    learners: set[int] = field(default_factory=set)
    refuses: dict[tuple[int, str], tuple[int, str]] = field(default_factory=dict)
    """By member and the end of a path: status and message."""
    leaves_unanswered: bool = False
    """The call that hands leadership over; leadership moves all the same if `hands_over`."""
    hands_over: bool = True
    asked: list[tuple[int, str]] = field(default_factory=list)
    urls: dict[int, str] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def answer(self, ident: int, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        what = path.rpartition("/")[2]
        self.asked.append((ident, what))
        if refusal := self.refuses.get((ident, what)):
            return refusal[0], {"code": 9, "message": refusal[1]}
        match what:
            case "status":
                return 200, self._status(ident)
            case "list" if ident in self.learners:
                return 400, {"code": 9, "message": "etcdserver: rpc not supported for learner"}
            case "list":
                return 200, {"members": [self._member(each) for each in self.urls]}
            case "transfer-leadership":
                if self.hands_over:
                    self.leader = int(body["targetID"])
                if self.leaves_unanswered:
                    self.over.wait(30)
                return 200, {"header": {}}
        return 404, {"message": "Not Found"}

    def _status(self, ident: int) -> dict[str, Any]:
        learner = {"isLearner": True} if ident in self.learners else {}
        header = {"cluster_id": "9", "member_id": str(ident)}
        return {
            "header": header,
            "version": "3.6.8",
            "leader": str(self.leader),
            "raftTerm": "2",
            "raftAppliedIndex": "40",
            **learner,
        }

    def _member(self, ident: int) -> dict[str, Any]:
        learner = {"isLearner": True} if ident in self.learners else {}
        return {
            "ID": str(ident),
            "name": f"m{ident}",
            "peerURLs": [f"http://127.0.0.1:{ident}"],
            "clientURLs": [self.urls[ident]],
            **learner,
        }


@contextmanager
def members(count: int, *endpoints: int, seconds: float = 10.0) -> Iterator[tuple[Cluster, Etcd]]:
    """So many members, with ids from 1 on. `endpoints`: which of them the policy names; none: all."""
    cluster = Cluster()
    servers = [_server(cluster, ident) for ident in range(1, count + 1)]
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in servers]
    for ident, server in enumerate(servers, 1):
        cluster.urls[ident] = f"http://127.0.0.1:{server.server_address[1]}"
    for thread in threads:
        thread.start()
    named = tuple(cluster.urls[ident] for ident in endpoints or cluster.urls)
    try:
        yield (
            cluster,
            Etcd(QuorumGroup("etcd", "east", access=EtcdAccess(named)), {}, transfer_seconds=seconds),
        )
    finally:
        cluster.over.set()
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


def _server(cluster: Cluster, ident: int) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            status, answer = cluster.answer(ident, self.path, body)
            reported = json.dumps(answer).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(reported)))
                self.end_headers()
                self.wfile.write(reported)
            except OSError:
                self.close_connection = True  # who asked has gone

        def log_message(self, format: str, *args: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)
