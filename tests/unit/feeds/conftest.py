"""A server of feeds whose certificate is trusted, and no proxies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.feeds.server import FeedServer, serving


@pytest.fixture(autouse=True)
def trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FeedServer]:
    found = FeedServer()
    with serving(found, tmp_path):
        yield found
