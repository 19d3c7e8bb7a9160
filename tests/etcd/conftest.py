"""Real etcd members, of the lab's build (tests/lab_build.py). Without Go these tests are skipped, and fail with CI=true."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.lab import build
from tests.lab_build import build_for_tests_in, kubernetes, require_built


def pytest_collection_finish(session: pytest.Session) -> None:
    build_for_tests_in(Path(__file__).parent, session)


@pytest.fixture(scope="session")
def binary(request: pytest.FixtureRequest) -> Path:
    require_built(request.config)
    return build.build(lambda line: None, kubernetes=kubernetes()).controlplane
