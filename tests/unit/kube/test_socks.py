"""The messages about refusals of a SOCKS proxy. That it is used is tested against kubectl."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleet.core.records.errors import UnreachableError
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.cluster import KubeCluster
from fleet.kube.objects.errors import ApiRequest
from tests.kube_fake.world import QuickClock, write_kubeconfig

Proxy = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CALL = ApiRequest(verb="get", path="/version", seconds=5.0)


def refusal(tmp_path: Path, *answers: bytes, user: str = "") -> str:
    """`answers`: one to each request."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(2**10)
            writer.write(answer)
        await writer.drain()
        writer.close()

    async def story() -> str:
        server = await asyncio.start_server(speak, "127.0.0.1", 0)
        async with server:
            proxy = f"socks5://{user}127.0.0.1:{server.sockets[0].getsockname()[1]}"
            path = write_kubeconfig(
                tmp_path / "kc", "https://far.invalid", {"token": "t"}, {"proxy-url": proxy}
            )
            cluster = KubeCluster("east", CredentialSource(path), QuickClock())
            with pytest.raises(UnreachableError) as caught:
                await cluster.transport.call(CALL)
            await cluster.close()
            return caught.value.message

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("user", "answers", "expected"),
    [
        ("", (b"\x05\xff",), "another way to log in"),
        ("", (b"\x05\x02",), "another way to log in"),
        ("ada:s3cret@", (b"\x05\x02", b"\x01\x01"), "does not accept the user and password"),
        (f"ada:s3cret{'x' * 256}@", (b"\x05\x02",), "more than 255 bytes"),
        ("", (b"\x05\x00", b"\x05\x04\x00\x01" + bytes(6)), "host unreachable"),
        ("", (b"\x05\x00", b"\x05\x63\x00\x01" + bytes(6)), "reply 99"),
        ("", (b"HTTP/1.1 400 Bad Request",), "does not speak SOCKS5"),
        ("", (b"\x05",), "closed the connection"),
    ],
)
def test_proxy_refusal(tmp_path: Path, user: str, answers: tuple[bytes, ...], expected: str) -> None:
    message = refusal(tmp_path, *answers, user=user)
    assert "https://far.invalid" in message and expected in message
    assert "s3cret" not in message


@pytest.mark.parametrize("place", ["127.0.0.1:1", "[fe80::1%no-such-link]:1"])
def test_missing_proxy(tmp_path: Path, place: str) -> None:
    async def story() -> None:
        cluster_of = {"proxy-url": f"socks5://{place}"}
        path = write_kubeconfig(tmp_path / "kc", "https://far.invalid", {"token": "t"}, cluster_of)
        cluster = KubeCluster("east", CredentialSource(path), QuickClock())
        with pytest.raises(UnreachableError, match="SOCKS proxy cannot be reached"):
            await cluster.transport.call(CALL)
        await cluster.close()

    asyncio.run(story())
