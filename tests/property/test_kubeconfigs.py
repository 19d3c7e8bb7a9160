"""Any kubeconfig, however odd, loads or is refused with a message that has none of its secrets."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core.records.errors import FleetError, UsageError
from fleet.kube.client import credentials
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.kubeconfig import contexts
from fleet.lab.simulation.builders import START
from tests.property.odd_values import anything, bent

SECRET = "MARKED-s3cret-t0ken"
GOOD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "one",
    "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "x"}}],
    "clusters": [
        {
            "name": "c",
            "cluster": {
                "server": "https://127.0.0.1:6443",
                "insecure-skip-tls-verify": True,
                "tls-server-name": "east",
                "proxy-url": "http://127.0.0.1:3128",
            },
        }
    ],
    "users": [
        {
            "name": "u",
            "user": {"token": SECRET, "as": "jane", "as-groups": ["dev"], "as-user-extra": {"a": ["b"]}},
        }
    ],
}


def answers(content: bytes) -> bool:
    """Whether it could be loaded. Never runs a plugin: no input here names a command."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "kubeconfig"
        path.write_bytes(content)
        try:
            found = contexts.read([path])
            assert found.cluster.server
            asyncio.run(loaded(path))
        except FleetError as refused:
            assert isinstance(refused, UsageError)
            assert str(path) in refused.message
            assert SECRET not in refused.message + refused.hint
            return False
    return True


async def loaded(path: Path) -> None:
    session = await credentials.load(CredentialSource(path), START)
    await session.connections.close()


def test_valid_kubeconfig_loads() -> None:
    assert answers(yaml.safe_dump(GOOD).encode())


@settings(deadline=timedelta(seconds=5))
@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(alphabet="ab:-[]{}&*!|>'\"#%@`,? \n\t0.~<=", max_size=200).map(str.encode),
    )
)
def test_any_content_is_handled(content: bytes) -> None:
    answers(content)


@settings(deadline=timedelta(seconds=5), max_examples=300)
@given(bent(GOOD))
def test_kubeconfig_with_an_odd_value_is_handled(reported: Any) -> None:
    answers(yaml.safe_dump(reported).encode())


@settings(deadline=timedelta(seconds=5))
@given(anything)
def test_any_document_is_handled(reported: Any) -> None:
    answers(yaml.safe_dump(reported).encode())


def test_invalid_yaml_is_handled() -> None:
    for content in (
        "[" * 5000,
        "{" * 5000,
        "a: &a [*a]",
        "a: !!timestamp 2026-99-99",
        "a: 0x",
        "a: " + "9" * 5000,
        "? {a: b}\n: c",
        "a: !!python/object:os.system x",
    ):
        assert not answers(content.encode())


@settings(deadline=timedelta(seconds=5))
@given(st.text(alphabet="htps:/@[]0123456789.%ab?#", max_size=40), st.sampled_from(("server", "proxy-url")))
def test_any_address_is_handled(address: str, key: str) -> None:
    reported = yaml.safe_load(yaml.safe_dump(GOOD))
    reported["clusters"][0]["cluster"][key] = f"https://{address}" if len(address) % 2 else address
    answers(yaml.safe_dump(reported).encode())
