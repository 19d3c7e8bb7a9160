"""The registry is built before the first test, whose time limit would be too short for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.registry.servers import build


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds the registry if any of its tests is to run. Where it cannot be built, its tests say so."""
    wanted = any(Path(__file__).parent in item.path.parents for item in session.items)
    if wanted and not session.config.option.collectonly:
        build()
