"""Sessions of kubeconfigs: who fleet is with every kind of request, whom it believes, when it looks again."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from fleet.core.records.errors import (
    AuthenticationError,
    FleetError,
    ForbiddenError,
    UnreachableError,
    UsageError,
)
from fleet.kube.client import credentials, loader
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.transport import Transport
from fleet.kube.cluster import KubeCluster
from fleet.kube.objects.errors import ApiRequest
from tests.kube_fake.server import ApiServer, Fault
from tests.kube_fake.tls import self_signed
from tests.kube_fake.world import NOW, QuickClock, faked, write_kubeconfig

TOKEN = "s3cret-t0ken"
NODES = ApiRequest(verb="list", path="/api/v1/nodes", resource="nodes", seconds=5.0)
TRUSTED = {"certificate-authority": "certificate.pem"}
AS: dict[str, Any] = {"as": "jane", "as-groups": ["dev", "ops"], "as-user-extra": {"acme/x": ["1", "2"]}}
HEADERS = [
    ("Impersonate-User", "jane"),
    ("Impersonate-Group", "dev"),
    ("Impersonate-Group", "ops"),
    ("Impersonate-Extra-acme%2Fx", "1"),
    ("Impersonate-Extra-acme%2Fx", "2"),
]


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await story()

    asyncio.run(bounded())


async def refused(cluster: KubeCluster) -> FleetError:
    with pytest.raises(FleetError) as caught:
        await cluster.transport.call(NODES)
    assert "s3cret" not in caught.value.message + caught.value.hint
    return caught.value


def test_lists_writes_and_watches_impersonate(tmp_path: Path) -> None:
    async def story() -> None:
        async with faked(tmp_path, {"token": TOKEN, **AS}) as (server, cluster):
            await cluster.transport.call(NODES)
            body = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
            path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
            await cluster.transport.call(ApiRequest(verb="create", path=path, body=body))
            watch = ApiRequest(
                verb="watch",
                path="/api/v1/nodes",
                query={"watch": "1", "resourceVersion": "1"},
                resource="nodes",
            )
            async with cluster.transport.stream(watch):
                pass
            assert len(server.headers) == 3
            for each in server.headers:
                assert [pair for pair in each if pair[0].startswith("Impersonate-")] == HEADERS
                assert f"Bearer {TOKEN}" in [value for _, value in each]

    run(story)


def test_forbidden_impersonation_names_the_missing_verb(tmp_path: Path) -> None:
    async def story() -> None:
        async with faked(tmp_path, {"token": TOKEN, **AS}) as (server, cluster):
            message = (
                'users "jane" is forbidden: User "me" cannot impersonate resource "users" in API group ""'
            )
            server.faults.append(Fault("GET", "/nodes", 403, {"kind": "Status", "message": message}))
            error = await refused(cluster)
            assert isinstance(error, ForbiddenError) and "impersonate" in error.message
            assert '"impersonate"' in error.hint and "nodes" not in error.hint

    run(story)


def test_commands_in_pods_impersonate(tmp_path: Path) -> None:
    async def story() -> None:
        received: list[tuple[str, str]] = []

        async def answer(request: web.Request) -> web.WebSocketResponse:
            received.extend(request.headers.items())
            socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
            await socket.prepare(request)
            await socket.close()
            return socket

        app = web.Application()
        app.router.add_get("/exec", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self_signed(tmp_path))
        await site.start()
        url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        path = write_kubeconfig(tmp_path / "kc", url, {"token": TOKEN, **AS}, TRUSTED)
        transport = Transport(CredentialSource(path), QuickClock())
        try:
            frames = transport.frames(ApiRequest(verb="get", path="/exec"), "v5.channel.k8s.io")
            assert [each async for each in frames] == []
            assert [pair for pair in received if pair[0].startswith("Impersonate-")] == HEADERS
        finally:
            await transport.close()
            await runner.cleanup()

    run(story)


def test_password_of_netrc_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kubectl does not read it; aiohttp would, if it trusted the environment."""
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login ada password s3cret\n")
    monkeypatch.setenv("NETRC", str(file))

    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            await cluster.transport.call(NODES)
            assert not [pair for pair in server.headers[0] if pair[0].lower() == "authorization"]

    run(story)


def test_echoed_password_is_masked(tmp_path: Path) -> None:
    async def story() -> None:
        user = {"username": "ada", "password": "s3cret-w0rd"}
        async with faked(tmp_path, user) as (server, cluster):
            reported = base64.b64encode(b"ada:s3cret-w0rd").decode()
            server.faults.append(
                Fault("GET", "/nodes", 401, f"not s3cret-w0rd, and not Basic {reported}", times=9)
            )
            error = await refused(cluster)
            assert isinstance(error, AuthenticationError)
            assert "not ***, and not Basic ***" in error.message

    run(story)


def test_common_name_does_not_match_a_host(tmp_path: Path) -> None:
    async def story() -> None:
        async with ApiServer(tls=self_signed(tmp_path, alternative=False)) as server:
            url = server.url.replace("127.0.0.1", "localhost")
            path = write_kubeconfig(tmp_path / "kc", url, {"token": TOKEN}, TRUSTED)
            cluster = KubeCluster("east", CredentialSource(path), QuickClock())
            error = await refused(cluster)
            assert isinstance(error, UnreachableError) and "is not trusted" in error.message
            assert not server.asked
            await cluster.close()

    run(story)


@pytest.mark.parametrize("usable", [True, False])
def test_key_is_briefly_in_a_private_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usable: bool
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    seen: dict[str, int] = {}

    def watched(context: ssl.SSLContext, certificate: Path, key: Path, password: object) -> None:
        seen.update({each.name: each.stat().st_mode & 0o777 for each in (certificate, key)})
        seen["folder"] = key.parent.stat().st_mode & 0o777
        if not usable:
            raise ssl.SSLError(1, "no key")

    async def story() -> None:
        with contextlib.nullcontext() if usable else pytest.raises(UsageError):
            await (await loader.load([kubeconfig], "", NOW)).connections.close()

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    data = base64.b64encode(b"pem").decode()
    user = {"client-certificate-data": data, "client-key-data": data}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", "https://127.0.0.1:1", user)
    before = os.umask(0)
    try:
        run(story)
    finally:
        os.umask(before)
    assert seen == {"certificate": 0o600, "key": 0o600, "folder": 0o700}
    assert not list(temporary.iterdir())


def test_temporarily_missing_token_file_does_not_stop_fleet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As client-go: what was read last is used until the server refuses it."""

    monkeypatch.setattr(loader, "TOKEN_FILE_SECONDS", 0.0)

    async def story() -> None:
        file = tmp_path / "token"
        file.write_text("first\n")
        async with faked(tmp_path, {"tokenFile": "token"}) as (server, cluster):
            server.token = "first"
            await cluster.transport.call(NODES)
            file.unlink()
            await cluster.transport.call(NODES)
            server.token = "second"
            error = await refused(cluster)
            assert isinstance(error, UsageError) and "tokenFile" in error.message

    run(story)


@pytest.mark.parametrize(
    ("user", "seconds"),
    [
        ({"token": TOKEN}, None),
        ({"tokenFile": "t"}, 60.0),
        ({"client-certificate": "certificate.pem", "client-key": "key.pem"}, 300.0),
        ({"username": "ada"}, None),
    ],
)
def test_files_are_read_again(tmp_path: Path, user: dict[str, Any], seconds: float | None) -> None:
    self_signed(tmp_path)
    (tmp_path / "t").write_text(TOKEN)
    path = write_kubeconfig(tmp_path / "kc", "https://127.0.0.1:1", user)

    async def story() -> None:
        session = await credentials.load(CredentialSource(path), NOW)
        await session.connections.close()
        assert session.stale_after == seconds

    run(story)


def jwt(lifetime: timedelta) -> str:
    claims = json.dumps({"exp": (NOW + lifetime).timestamp()}).encode()
    return ".".join(
        base64.urlsafe_b64encode(each).decode().rstrip("=") for each in (b"{}", claims, b"s3cret")
    )


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (jwt(timedelta(seconds=5)), "has expired"),
        ("s3cret", "is not a JWT"),
        ("a.s3cret.c", "is not a JWT"),
        (f"a.{base64.urlsafe_b64encode(b'{}').decode()}.c", "is not a JWT"),
        ("", "has no id-token"),
    ],
)
def test_invalid_id_token_is_refused_with_a_remedy(tmp_path: Path, token: str, message: str) -> None:
    config = {
        "idp-issuer-url": "https://issuer",
        "client-id": "x",
        "id-token": token,
        "refresh-token": "s3cret",
    }
    user = {"auth-provider": {"name": "oidc", "config": config}}
    path = write_kubeconfig(tmp_path / "kc", "https://127.0.0.1:1", user)

    async def story() -> None:
        with pytest.raises(UsageError) as caught:
            await credentials.load(CredentialSource(path), NOW)
        assert message in caught.value.message and "oidc" in caught.value.message
        assert "kubectl" in caught.value.hint
        assert "s3cret" not in caught.value.message + caught.value.hint

    run(story)


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ({"token": "s3cret\nx"}, "the token"),
        ({"token": TOKEN, "as": "jane\r\nImpersonate-Group: system:masters"}, "Impersonate-User"),
        ({"tokenFile": "nowhere"}, "tokenFile"),
        ({"tokenFile": "/dev/zero"}, "MiB"),
        ({"client-certificate": "/dev/zero", "client-key-data": "eA=="}, "MiB"),
        ({"client-certificate": "certificate.pem", "client-key": "locked.pem"}, "certificate and key"),
    ],
)
def test_value_that_cannot_be_sent_is_refused_with_the_files_name(
    tmp_path: Path, user: dict[str, Any], message: str
) -> None:
    self_signed(tmp_path)
    (tmp_path / "locked.pem").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\ns3cret\n")
    path = write_kubeconfig(tmp_path / "kc", "https://127.0.0.1:1", user)

    async def story() -> None:
        with pytest.raises(UsageError) as caught:
            await credentials.load(CredentialSource(path), NOW)
        assert str(path) in caught.value.message and message in caught.value.message
        assert "s3cret" not in caught.value.message + caught.value.hint

    run(story)


LONG = "a" * 70
HOSTS = (
    "a..invalid",
    f"{LONG}.invalid",
    "ä" * 70 + ".invalid",
    "x%zz.invalid",
    "*",
    "ß\u2024.invalid",
)


@pytest.mark.parametrize("scheme", ["", "http", "https", "socks5"])
@pytest.mark.parametrize("host", HOSTS)
def test_invalid_host_names_are_reported(tmp_path: Path, host: str, scheme: str) -> None:
    cluster = {"proxy-url": f"{scheme}://ada:s3cret@{host}:1"} if scheme else {}
    path = write_kubeconfig(tmp_path / "kc", f"https://{host}:1", {"token": TOKEN}, cluster)

    async def story() -> None:
        found = KubeCluster("east", CredentialSource(path), QuickClock())
        try:
            assert isinstance(await refused(found), UsageError | UnreachableError)
        finally:
            await found.close()

    run(story)


def test_server_name_that_the_proxy_cannot_take(tmp_path: Path) -> None:
    async def story() -> None:
        async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
            proxy = f"socks5://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            for host in HOSTS:
                path = write_kubeconfig(
                    tmp_path / "kc", f"https://{host}:1", {"token": TOKEN}, {"proxy-url": proxy}
                )
                found = KubeCluster("east", CredentialSource(path), QuickClock())
                with pytest.raises((UsageError, UnreachableError)):
                    await found.transport.call(ApiRequest(verb="get", path="/version", seconds=0.3))
                await found.close()

    run(story)
