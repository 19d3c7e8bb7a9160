"""Answers of quorum members, credential plugins, tenants' annotations and API servers are read, or refused with a
message."""

from __future__ import annotations

import asyncio
import base64
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleet.config import declared_by
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.objects.selector import Selector
from fleet.core.objects.workload import Workload
from fleet.core.policy import evictable
from fleet.core.policy.policy import DrainRule
from fleet.core.quorum.groups import EtcdAccess, QuorumGroup
from fleet.core.quorum.presets import PRESETS
from fleet.core.quorum.quorum import Quorum
from fleet.core.records.errors import AuthenticationError, FleetError
from fleet.core.text.untrusted import UnreadableError
from fleet.etcd import gateway
from fleet.etcd.etcd import Etcd
from fleet.etcd.reading import MemberResponse, trips
from fleet.kube.client import plugin
from fleet.kube.client.oidc import id_token
from fleet.kube.kinds.api_resources import KINDS
from fleet.kube.kinds.maintenance import locks
from fleet.kube.kubeconfig.kubeconfig import ExecPlugin
from fleet.kube.objects.errors import ApiRequest, error_of, status_of
from fleet.kube.watch.etcd_check import number
from fleet.kube.watch.informers import by_age
from fleet.lab.simulation.builders import START
from tests.hostile import ANSWERS, LONG, MANY_DIGITS
from tests.unit.quorums.test_presets import group, pod, reading

V1 = "client.authentication.k8s.io/v1"


@pytest.mark.parametrize("kind", PRESETS)
def test_quorum_group_is_read_whatever_its_members_answer(kind: Any) -> None:
    pods = [pod(f"zk-{number}") for number in range(3)]
    for name, content in ANSWERS.items():
        quorum, _ = reading(group(kind), pods, dict.fromkeys((each.name for each in pods), content))
        assert len(msgspec.json.encode(quorum)) < 10_000, name


def test_member_numbers_that_are_far_apart_are_read() -> None:
    """Found by reading: a difference that no float holds ended the controller."""
    voters = [{"replicaId": 1, "lastFetchTimestamp": "9" * 400}, {"replicaId": 2, "lastFetchTimestamp": 1}]
    for lag in (10**39, "9" * 400, -(10**39), 1e308):
        rows = [
            {"name": f"zk-{index}", "lag": lag, "role": "replica", "state": "streaming"} for index in range(3)
        ]
        for kind in PRESETS:
            reported = msgspec.json.encode(
                {"members": rows, "data": {"currentVoters": voters}, "Servers": rows}
            )
            quorum, _ = reading(group(kind), [pod("zk-0")], {"zk-0": reported})
            assert isinstance(quorum, Quorum)


def test_answer_of_an_etcd_member_is_read_or_refused() -> None:
    good = {"header": {"member_id": "1"}, "leader": "1", "raftTerm": "2"}
    MemberResponse(good, (), 0.0).check()
    odd: tuple[Any, ...] = (None, [], {}, "x", "-1", MANY_DIGITS, 1.5, [1], {"a": 1}, "9" * 21)
    for key in ("leader", "raftTerm", "raftAppliedIndex", "dbSize", "errors", "header", "version"):
        for value in odd:
            if key == "version" and isinstance(value, str) and len(value) < 4096:
                continue
            if key == "errors" and value == []:
                continue
            with pytest.raises(UnreadableError):
                MemberResponse({**good, key: value}, (), 0.0).check()
    for member in ({}, {"ID": "x"}, {"ID": "1", "clientURLs": "http://a"}, {"ID": "1", "name": 5}):
        with pytest.raises(UnreadableError):
            MemberResponse(good, (member,), 0.0).check()
    with pytest.raises(UnreadableError):
        MemberResponse(good, ({"ID": "1"},) * 1000, 0.0).check()


def test_unmeasured_round_trips_are_ignored() -> None:
    for content in ANSWERS.values():
        for version in ("3.5.1", "3.6.0", MANY_DIGITS, ""):
            trips(content.decode(errors="replace"), version)


@contextmanager
def served(answers: Mapping[str, bytes]) -> Iterator[list[str]]:
    """Members that answer everything alike: their addresses, in the order of `answers`."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(content)) for content in answers.values()]
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield [f"http://127.0.0.1:{server.server_address[1]}" for server in servers]
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


def _handler(content: bytes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200 if len(content) % 2 else 500)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def test_etcd_is_read_whatever_its_members_answer() -> None:
    with served(ANSWERS) as urls:
        found = Etcd(QuorumGroup("etcd", "east", access=EtcdAccess(tuple(urls))), {}).read(START)
    assert "none of its members answers" in found.unread


@pytest.mark.parametrize(
    ("scheme", "begin"),
    [
        ("http", b"HTTP/1.1 200 OK\r\n"),
        ("http", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"),
        ("https", b"\x16\x03\x03\x40\x00"),
    ],
    ids=["head", "body", "handshake"],
)
def test_member_that_answers_a_byte_at_a_time_times_out(
    monkeypatch: pytest.MonkeyPatch, scheme: str, begin: bytes
) -> None:
    """Each of its bytes comes in time; all together they would never end."""
    monkeypatch.setattr(gateway, "SECONDS", 0.5)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(begin)
                while not over.wait(0.05):
                    try:
                        connection.sendall(b"X")
                    except OSError:
                        return

        dripping = threading.Thread(target=drip)
        dripping.start()
        url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        try:
            found = Etcd(QuorumGroup("etcd", "east", access=EtcdAccess((url,))), {}).read(START)
        finally:
            over.set()
            dripping.join()
    assert "no answer in time" in found.unread


def test_plugin_returns_a_credential_or_is_refused(tmp_path: Path) -> None:
    for index, content in enumerate(ANSWERS.values()):
        file = tmp_path / str(index)
        file.write_bytes(content)
        reported = ExecPlugin(command=sys.executable, api_version=V1, args=("-c", _CAT, str(file)))
        with pytest.raises(AuthenticationError) as refused:
            asyncio.run(plugin.run(reported, None))
        assert len(refused.value.message) < 1000


_CAT = "import shutil, sys; shutil.copyfileobj(open(sys.argv[1], 'rb'), sys.stdout.buffer)"


def test_token_is_a_jwt_or_refused() -> None:
    for content in ANSWERS.values():
        text = content.decode("utf-8", "replace")
        coded = base64.urlsafe_b64encode(content).decode()
        for token in (text, f"{text}.{text}.{text}", f"a.{coded}.c"):
            with pytest.raises(FleetError):
                id_token({"idp-issuer-url": "x", "client-id": "y", "id-token": token}, START)


def test_answer_of_an_api_server_is_read_or_refused() -> None:
    call = ApiRequest(verb="get", path="/api/v1/nodes", resource="nodes")
    for content in ANSWERS.values():
        assert len(status_of(500, content).message) <= 500
        for code in (401, 403, 404, 409, 410, 429, 500, 418):
            assert len(error_of("https://east", call, code, content).message) < 1000
        for kind in KINDS:
            for read in (kind.page, kind.thing, kind.change):
                try:
                    read(content)
                except FleetError as refused:
                    assert len(refused.message) < 1000


def test_annotations_of_tenants_are_followed_or_reported_as_wrong() -> None:
    for content in ANSWERS.values():
        text = content.decode("utf-8", "replace")
        locks(text)
        locks(f'{{"nodeID": "n-1", "other": {text}}}')
        workload = Workload("StatefulSet", "data", "zk", "u", selector=Selector(), quorum=text)
        assert len(declared_by(workload, "east").wrong) < 2000
    deep = f'{{"nodeID": "n-1", "other": {"[" * LONG}{"]" * LONG}}}'
    assert locks(deep) == ()


def test_invalid_versions_are_ordered() -> None:
    assert number(MANY_DIGITS) is None
    assert number("12345") == 12345
    assert by_age("v1.36.3") > by_age("v1.9.0")


def test_countless_budgets_and_finalizers_are_summarised() -> None:
    names = [f"b-{number:04d}" for number in range(2000)]
    one = Pod("web", "p-1", "u-1", "n-1", finalizers=True, finalizer_names=tuple(names))
    found = evictable.held(one, [PodRef("web", name) for name in names], DrainRule())
    assert found is not None and found.params["budgets"] == "web/b-0000, web/b-0001, web/b-0002 and 1997 more"
    assert evictable.finalizers(one) == "b-0000, b-0001, b-0002 and 1997 more"
