"""The server of feeds of the unit tests."""

from __future__ import annotations

from tests.unit.feeds.conftest import server, trusts

__all__ = ["server", "trusts"]
