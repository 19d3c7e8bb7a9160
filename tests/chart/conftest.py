"""helm is built before the first test, whose time limit would be too short for that."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from fleet.lab.errors import LabError
from tools.go_programs import program


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds helm if any of these tests is to run. Where it cannot be built, the tests say so."""
    wanted = any(Path(__file__).parent in item.path.parents for item in session.items)
    if wanted and not session.config.option.collectonly:
        with suppress(LabError):
            program("helm")
