"""Real etcd members, of the lab's build. Without Go these tests are skipped, and fail with CI=true."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleet.lab import LabError, build


@pytest.fixture(scope="session")
def binary() -> Path:
    try:
        build.find_toolchain()
    except LabError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    version = os.environ.get("FLEET_LAB_KUBERNETES") or build.DEFAULT
    return build.build(lambda line: None, kubernetes=version).controlplane
