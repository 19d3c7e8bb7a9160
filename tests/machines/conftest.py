"""Machines of the lab, one set for each module. Where they cannot run these tests are skipped, and fail with CI=true."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from fleet.lab import LabError
from fleet.lab.machines import LabMachines, requirements
from fleet.lab.machines.images import releases
from tests.machines.host import powered
from tests.machines.stack import Stack, stack_in

_FAILED = pytest.StashKey[LabError]()


@pytest.fixture(scope="session")
def may_run_machines(pytestconfig: pytest.Config) -> None:
    """Skips or fails where this computer lacks something, and fails where the releases could not be built."""
    if (failed := pytestconfig.stash.get(_FAILED, None)) is not None:
        pytest.fail(f"the lab's machines were not built: {failed}\n{failed.hint}")
    if lacking := requirements.lacking():
        reason = f"no machines here: this computer lacks {'; '.join(lacking)}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds the releases before the first test, whose time limit would be too short for that."""
    config = session.config
    wanted = any("may_run_machines" in getattr(item, "fixturenames", ()) for item in session.items)
    if not wanted or config.option.collectonly or requirements.lacking():
        return
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    try:
        releases.build(lambda line: reporter.write_line(f"machines: {line}") if reporter else None)
    except LabError as error:
        config.stash[_FAILED] = error


@pytest.fixture(scope="module")
def machines(may_run_machines: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabMachines]:
    """One machine, w1, on release 1.0, in no cluster."""
    with powered(tmp_path_factory.mktemp("machines") / "m", ["w1"]) as up:
        yield up


@pytest.fixture(scope="package")
def stack(may_run_machines: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A control plane of three hosts and three workers, on release 1.0 until a test has changed that."""
    with stack_in(tmp_path_factory.mktemp("stack")) as up:
        yield up
