"""The credentials of a pod: read from its service account's folder, used over TLS that its authority vouches for."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from fleet.core.records.errors import UsageError
from fleet.kube.client.credentials import of_pod
from fleet.kube.client.session import TOKEN_FILE_SECONDS
from fleet.lab.control_plane.certificates import issue_etcd

NOW = datetime.now(UTC)  # noqa: TID251 - certificates are valid at the time of day
LIMITS = aiohttp.ClientTimeout(total=30)


async def _serving(context: ssl.SSLContext) -> tuple[web.AppRunner, int]:
    """A server on loopback that echoes who asks, how, and with what."""

    async def echo(request: web.Request) -> web.Response:
        received = [request.method, request.headers.get("authorization", ""), (await request.read()).decode()]
        return web.json_response(received)

    application = web.Application()
    application.router.add_route("*", "/echo", echo)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    return runner, runner.addresses[0][1]


@pytest.fixture
def account(tmp_path: Path) -> Path:
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text("first\n")
    return folder


def _issued(folder: Path) -> tuple[Path, ssl.SSLContext]:
    authority, pair, _ = issue_etcd(folder, NOW, ("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return authority, context


def test_rotated_token_of_the_pod_needs_no_new_connections(account: Path, tmp_path: Path) -> None:
    authority, context = _issued(tmp_path / "right")
    (account / "ca.crt").write_bytes(authority.read_bytes())

    async def asked() -> None:
        runner, port = await _serving(context)
        environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
        first = of_pod(environ, account)
        (account / "token").write_text("second")
        second = of_pod(environ, account)
        try:
            answer = await first.connections.request(
                "PATCH", f"{first.host}/echo", [("authorization", first.authorization)], {"é": 1}, LIMITS
            )
            assert await answer.json() == ["PATCH", "Bearer first", '{"é":1}']
            assert first.stale_after == TOKEN_FILE_SECONDS
            assert (second.authorization, second.identity) == ("Bearer second", first.identity)
        finally:
            await first.connections.close()
            await second.connections.close()
            await runner.cleanup()

    asyncio.run(asked())


def test_server_of_another_authority_is_not_trusted(account: Path, tmp_path: Path) -> None:
    _, context = _issued(tmp_path / "right")
    other, _ = _issued(tmp_path / "other")
    (account / "ca.crt").write_bytes(other.read_bytes())

    async def asked() -> None:
        runner, port = await _serving(context)
        environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
        session = of_pod(environ, account)
        try:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.connections.request("GET", f"{session.host}/echo", [], None, LIMITS)
        finally:
            await session.connections.close()
            await runner.cleanup()

    asyncio.run(asked())


def test_ipv6_address_is_bracketed(account: Path, tmp_path: Path) -> None:
    authority, _ = _issued(tmp_path / "right")
    (account / "ca.crt").write_bytes(authority.read_bytes())

    async def host() -> str:
        session = of_pod({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}, account)
        await session.connections.close()
        return session.host

    assert asyncio.run(host()) == "https://[fd00::1]:443"


@pytest.mark.parametrize(
    ("environ", "token", "authority", "why"),
    [
        ({}, "t", None, "KUBERNETES_SERVICE_HOST is not set"),
        (
            {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": ""},
            " \n",
            None,
            "KUBERNETES_SERVICE_PORT and its token is empty",
        ),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}, None, None, "token"),
        (
            {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "tcp://10.0.0.1:443"},
            "t",
            None,
            "is 'tcp://10.0.0.1:443', which is not a port",
        ),
        (
            {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"},
            "t",
            "",
            "its authority's certificate is empty",
        ),
    ],
)
def test_outside_of_a_pod_the_missing_variable_is_reported(
    account: Path,
    tmp_path: Path,
    environ: dict[str, str],
    token: str | None,
    authority: str | None,
    why: str,
) -> None:
    (account / "token").unlink()
    if token is not None:
        (account / "token").write_text(token)
    good, _ = _issued(tmp_path / "right")
    (account / "ca.crt").write_text(good.read_text() if authority is None else authority)
    with pytest.raises(UsageError, match="not in a pod of a cluster: ") as caught:
        of_pod(environ, account)
    assert why in caught.value.message and caught.value.hint == "name a kubeconfig"


def test_authority_file_that_is_no_certificate_is_named(account: Path) -> None:
    (account / "token").write_text("t")
    (account / "ca.crt").write_text("nonsense")
    with pytest.raises(UsageError, match=r"ca\.crt cannot be used"):
        of_pod({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}, account)
