from __future__ import annotations

import asyncio
import json
import re
import socket
import stat
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.core.records.errors import (
    AuthenticationError,
    FleetError,
    ForbiddenError,
    UnreachableError,
    UsageError,
)
from fleet.core.records.requests import RequestKind
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.readiness import Readiness
from fleet.kube.cluster import KubeCluster
from fleet.kube.objects.errors import ApiRequest
from fleet.kube.objects.permissions import PERMISSIONS
from fleet.kube.watch import listing
from fleet.kube.watch.dump_file import of_dump
from tests.golden import GoldenFiles
from tests.kube_fake.server import ApiServer, Fault
from tests.kube_fake.tls import self_signed
from tests.kube_fake.world import NOW, QuickClock, faked, node, write_kubeconfig

NODES = ApiRequest(verb="list", path="/api/v1/nodes", resource="nodes", seconds=5.0)
TOKEN = "s3cret-t0ken"
V1 = "client.authentication.k8s.io/v1"


async def refused(cluster: KubeCluster, call: ApiRequest = NODES) -> FleetError:
    with pytest.raises(FleetError) as caught:
        await cluster.transport.call(call)
    assert TOKEN not in caught.value.message + caught.value.hint
    return caught.value


def shown(error: FleetError) -> str:
    """The message and the hint of an error, without the port of the fake server."""
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", f"{error.message}\n  -> {error.hint}")


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await story()

    asyncio.run(bounded())


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_connection_refused(tmp_path: Path) -> None:
    async def story() -> None:
        path = write_kubeconfig(tmp_path / "kc", f"https://127.0.0.1:{free_port()}", {"token": TOKEN})
        cluster = KubeCluster("east", CredentialSource(path), QuickClock())
        error = await refused(cluster)
        assert isinstance(error, UnreachableError)
        assert "refused the connection" in error.message
        await cluster.close()

    run(story)


def test_unknown_host_name(tmp_path: Path, golden: GoldenFiles) -> None:
    async def story() -> None:
        path = write_kubeconfig(tmp_path / "kc", f"https://me:{TOKEN}@nobody.invalid:6443", {"token": TOKEN})
        cluster = KubeCluster("east", CredentialSource(path), QuickClock())
        error = await refused(cluster)
        assert isinstance(error, UnreachableError)
        golden.check(shown(error))
        await cluster.close()

    run(story)


def test_server_that_does_not_answer_in_time(tmp_path: Path, golden: GoldenFiles) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            server.silent = True
            slow = ApiRequest(verb="list", path="/api/v1/nodes", resource="nodes", seconds=0.2)
            error = await refused(cluster, slow)
            assert isinstance(error, UnreachableError)
            golden.check(shown(error))

    run(story)


def test_untrusted_certificate(tmp_path: Path) -> None:
    async def story() -> None:
        async with ApiServer(tls=self_signed(tmp_path)) as server:
            cluster = KubeCluster(
                "east",
                CredentialSource(write_kubeconfig(tmp_path / "kc", server.url, {"token": TOKEN})),
                QuickClock(),
            )
            error = await refused(cluster)
            assert isinstance(error, UnreachableError)
            assert "is not trusted: self" in error.message
            assert not server.asked, "the token was not sent"
            await cluster.close()

    run(story)


def test_certificate_of_the_kubeconfigs_authority_is_trusted(tmp_path: Path) -> None:
    async def story() -> None:
        async with ApiServer(tls=self_signed(tmp_path)) as server:
            path = write_kubeconfig(
                tmp_path / "kc", server.url, {"token": TOKEN}, {"certificate-authority": "certificate.pem"}
            )
            cluster = KubeCluster("east", CredentialSource(path), QuickClock())
            assert b"items" in await cluster.transport.call(NODES)
            await cluster.close()

    run(story)


def test_authority_that_is_no_certificate_is_a_configuration_error(tmp_path: Path) -> None:
    async def story() -> None:
        path = write_kubeconfig(
            tmp_path / "kc", "https://127.0.0.1:1", {"token": TOKEN}, {"certificate-authority-data": "AAAA"}
        )
        cluster = KubeCluster("east", CredentialSource(path), QuickClock())
        error = await refused(cluster)
        assert isinstance(error, UsageError)
        assert str(path) in error.message

    run(story)


def test_expired_token(tmp_path: Path, golden: GoldenFiles) -> None:
    async def story() -> None:
        async with faked(tmp_path, {"token": TOKEN}) as (server, cluster):
            server.token = "another"
            error = await refused(cluster)
            assert isinstance(error, AuthenticationError)
            golden.check(shown(error))

    run(story)


def test_rotated_token_file_is_read_again(tmp_path: Path) -> None:
    async def story() -> None:
        file = tmp_path / "token"
        file.write_text("first")
        async with faked(tmp_path, {"tokenFile": "token"}) as (server, cluster):
            server.token = "first"
            await cluster.transport.call(NODES)
            file.write_text("second")
            server.token = "second"
            await cluster.transport.call(NODES)

    run(story)


def test_plugin_runs_again_when_its_token_is_rejected(tmp_path: Path) -> None:
    async def story() -> None:
        plugin = _plugin(
            tmp_path,
            "import json, pathlib\n"
            f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
            "n = int(count.read_text()) + 1 if count.exists() else 1\n"
            "count.write_text(str(n))\n"
            f"soon = {(NOW + timedelta(seconds=1)).isoformat()!r}\n"
            "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential',"
            " 'status': {'token': f't-{n}', 'expirationTimestamp': soon}}))\n",
        )
        async with faked(tmp_path, plugin) as (server, cluster):
            server.token = "t-1"
            await cluster.transport.call(NODES)
            server.token = "t-2"
            await cluster.transport.call(NODES)
            assert (tmp_path / "count").read_text() == "2"
            server.token = "none of them"
            for _ in range(3):
                await refused(cluster)
            assert (tmp_path / "count").read_text() == "2", "not again and again"

    run(story)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import sys; sys.exit('log in first, not with ' + 'x' * 60)", "log in first, not with …"),
        ("print('{}')", "printed no kind of no apiVersion"),
        ("print('no json')", "printed no ExecCredential"),
        ("print('a: [')", "printed no ExecCredential"),
        ("print('x' * 2 ** 21)", "printed more than 1 MiB"),
    ],
)
def test_failing_plugin(tmp_path: Path, source: str, message: str) -> None:
    async def story() -> None:
        async with faked(tmp_path, _plugin(tmp_path, source)) as (server, cluster):
            error = await refused(cluster)
            assert isinstance(error, AuthenticationError)
            assert message in error.message
            assert not server.asked

    run(story)


def test_missing_plugin(tmp_path: Path, golden: GoldenFiles) -> None:
    async def story() -> None:
        plugin = {"apiVersion": V1, "command": "no-such-plugin", "interactiveMode": "Never"}
        async with faked(tmp_path, {"exec": plugin | {"installHint": "fetch it\nfrom here"}}) as (_, cluster):
            error = await refused(cluster)
            assert isinstance(error, AuthenticationError)
            golden.check(shown(error))

    run(story)


def test_forbidden_verb_names_the_missing_rule(tmp_path: Path, golden: GoldenFiles) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            server.forbidden.add(("list", "poddisruptionbudgets"))
            call = ApiRequest(
                verb="list",
                path="/apis/policy/v1/poddisruptionbudgets",
                group="policy",
                resource="poddisruptionbudgets",
            )
            error = await refused(cluster, call)
            assert isinstance(error, ForbiddenError)
            golden.check(shown(error))

    run(story)


def test_overloaded_server_gets_the_pause_that_it_asks_for(tmp_path: Path, golden: GoldenFiles) -> None:
    async def story() -> None:
        clock = QuickClock()
        async with faked(tmp_path, clock=clock) as (server, cluster):
            server.faults.append(
                Fault("GET", "/nodes", 429, "Too many requests", {"Retry-After": "7"}, times=2)
            )
            await cluster.transport.call(NODES)
            assert clock.slept == [7, 7]
            server.faults.append(Fault("GET", "/nodes", 429, "Too many requests", times=99))
            error = await refused(cluster)
            assert isinstance(error, UnreachableError)
            golden.check(shown(error))

    run(story)


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ({"Retry-After": "9" * 400}, ""),
        ({"Retry-After": "²"}, "Too many requests"),
        ({}, '{"message": "no", "details": {"retryAfterSeconds": %s}}' % ("9" * 400)),
    ],
    ids=["header", "no digits", "body"],
)
def test_pauses_of_an_overloaded_server_are_bounded(
    tmp_path: Path, header: dict[str, str], body: str
) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            server.faults.append(Fault("GET", "/nodes", 429, body, header))
            answer = await cluster.transport.request(NODES, retry_on_429=False)
            assert answer.status == 429
            assert answer.retry_after in (None, 600.0)

    run(story)


def test_answer_is_read_up_to_the_limit_of_its_request(tmp_path: Path) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            server.faults.append(Fault("GET", "/nodes", 200, "x" * 3_000_000))
            with pytest.raises(FleetError, match="more than 1 MiB in one answer"):
                await cluster.transport.call(replace(NODES, most=1 << 20))

    run(story)


def test_error_page_of_a_proxy_is_no_traceback(tmp_path: Path) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            server.faults.append(Fault("GET", "/nodes", 502, "<html>bad\n gateway</html>" + "x" * 9999))
            error = await refused(cluster)
            assert isinstance(error, UnreachableError)
            assert "<html>bad gateway</html>" in error.message
            assert len(error.message) < 700
            server.faults.append(Fault("GET", "/nodes", 200, "<html>welcome</html>"))
            with pytest.raises(FleetError, match="the list of nodes cannot be read"):
                await cluster.read("fra", NOW)

    run(story)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(tmp_path: Path, status: int) -> None:
    """It would have fleet ask, with its certificate, what it can reach and the server cannot."""

    async def story() -> None:
        other = tmp_path / "other"
        other.mkdir()
        async with faked(tmp_path) as (server, cluster), faked(other) as (elsewhere, _):
            there = {"Location": f"{elsewhere.url}/api/v1/nodes"}
            server.faults.append(Fault("GET", "/nodes", status, "gone there", headers=there))
            error = await refused(cluster)
            assert f"answers {status}" in error.message and "correct its address" in error.hint
            assert not elsewhere.asked

    run(story)


def test_token_echoed_in_escapes_is_masked(tmp_path: Path) -> None:
    """A refusal is JSON, in which each letter may be written as an escape."""

    async def story() -> None:
        async with faked(tmp_path, {"token": TOKEN}) as (server, cluster):
            escaped = "".join(f"\\u{ord(each):04x}" for each in TOKEN)
            for message in (escaped, f"a path C:\\\\x, {TOKEN}"):
                body = f'{{"kind": "Status", "message": "not good: {message}"}}'
                server.faults.append(Fault("GET", "/nodes", 403, body))
                assert "***" in (await refused(cluster)).message

    run(story)


def test_requests_are_counted(tmp_path: Path) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (_, cluster):
            for _ in range(3):
                await cluster.transport.call(NODES)
            assert cluster.requests == {RequestKind("", "list", "nodes"): 3}

    run(story)


def test_snapshot_is_read_in_pages_and_lists_what_is_missing(tmp_path: Path) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            for number in range(2500):
                await server.put("/api/v1/nodes", node(f"n-{number}"))
            server.served.discard("/apis/fleet.internal/v1/machines")
            server.forbidden.add(("list", "jobs"))
            reading = await cluster.read("fra", NOW)
            assert len({each.name for each in reading.snapshot.nodes}) == 2500
            assert cluster.requests[RequestKind("", "list", "nodes")] == 3
            assert set(reading.missing) == {"machines", "jobs"}
            assert reading.snapshot.server_version == "v1.36.3"
            server.forbidden.add(("list", "pods"))
            with pytest.raises(ForbiddenError):
                await cluster.read("fra", NOW)

    run(story)


def test_endless_list_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            meta = {"resourceVersion": "1", "continue": "on"}
            server.faults.append(Fault("GET", "/nodes", 200, {"metadata": meta, "items": []}, times=20))
            with pytest.raises(FleetError, match="the list of nodes has not ended after 5 pages"):
                await cluster.read("fra", NOW)
            full = {"metadata": meta, "items": [node(f"n-{each}") for each in range(4)]}
            server.faults[:] = [Fault("GET", "/nodes", 200, full, times=20)]
            with pytest.raises(FleetError, match="more than 10 nodes"):
                await cluster.read("fra", NOW)

    monkeypatch.setattr(listing, "PAGES", 5)
    monkeypatch.setattr(listing, "OBJECTS", 10)
    run(story)


def test_list_that_expires_half_way_begins_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            for number in range(1500):
                await server.put("/api/v1/nodes", node(f"n-{number}"))
            gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
            server.faults.append(Fault("GET", "/nodes", 410, gone))
            reading = await cluster.read("fra", NOW)
            assert len(reading.snapshot.nodes) == 1500

    run(story)


def test_missing_permissions_are_values(tmp_path: Path) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            assert await cluster.forbidden() == ()
            server.forbidden |= {("patch", "nodes"), ("watch", "machines"), ("patch", "machines")}
            server.forbidden.add(("get", "/readyz/etcd"))
            missing = await cluster.forbidden()
            assert [(each.group, each.resource or each.url, each.verbs) for each in missing] == [
                ("", "nodes", ("patch",)),
                ("", "/readyz/etcd", ("get",)),
                ("fleet.internal", "machines", ("watch", "patch")),
            ]
            asked = [body for method, _, body in server.asked if method == "POST" and body]
            attributes = [value for each in asked for value in each["spec"].values()]
            assert any(each.get("subresource") == "eviction" for each in attributes)
            assert len(attributes) == 2 * sum(len(each.verbs) for each in PERMISSIONS)

    run(story)


def test_readiness_of_the_api_servers_etcd(tmp_path: Path, golden: GoldenFiles) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            readiness = Readiness(cluster.transport)

            def answers(status: int, body: str | dict[str, object]) -> None:
                server.faults[:] = [Fault("GET", "/readyz/etcd", status, body)]

            answers(200, "ok")
            assert await readiness.etcd() == ""
            answers(500, "internal server error: etcd failed: reason withheld")
            golden.check(await readiness.etcd(), "failed")
            message = 'forbidden: User "x" cannot get path "/readyz/etcd"'
            answers(403, {"kind": "Status", "message": message})
            golden.check(await readiness.etcd(), "forbidden")
        message = await readiness.etcd()
        assert message.startswith("/readyz/etcd of the API server: "), "a server that is gone is not ready"

    run(story)


def _plugin(folder: Path, source: str) -> dict[str, object]:
    script = folder / "plugin"
    script.write_text(f"#!{sys.executable}\n{source}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": V1, "command": str(script), "interactiveMode": "Never"}}


def test_dump_is_a_snapshot() -> None:
    items = [
        {"kind": "Node", "metadata": {"name": "n-1"}},
        {"kind": "Deployment", "metadata": {"name": "d", "namespace": "web"}},
        {"kind": "ConfigMap", "metadata": {"name": "x"}},
    ]
    found = of_dump(json.dumps({"kind": "List", "items": items}).encode(), "east", "fra", NOW)
    assert [each.name for each in found.nodes] == ["n-1"]
    assert [each.kind for each in found.workloads] == ["Deployment"]
    for nonsense in (b"", b"[]", b'{"items": 7}', b'{"items": [{"kind": "Pod", "spec": 7}]}', b"\xff"):
        with pytest.raises(UsageError):
            of_dump(nonsense, "east", "fra", NOW)
