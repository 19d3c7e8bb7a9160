"""Builds the lab's programs before the first test that needs them: with an empty cache Go takes some six minutes, which
would count towards that test's time limit.

FLEET_LAB_KUBERNETES names the lab's minor version where it is not the usual one: `make newer` runs some tests on the newest.

Without Go these tests are skipped, and fail with CI=true.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.lab import LabError, build


@dataclass(frozen=True)
class Built:
    """Whether the lab's programs are there; `error` has the reason if not."""

    no_go: LabError | None = None
    error: LabError | None = None


_BUILT = pytest.StashKey[Built]()


def build_for_tests_in(folder: Path, session: pytest.Session) -> None:
    """Builds the lab if tests of the folder are to run."""
    config = session.config
    if config.option.collectonly or not any(folder in item.path.parents for item in session.items):
        return
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    try:
        build.find_toolchain()
    except LabError as error:
        config.stash[_BUILT] = Built(no_go=error)
        return
    try:
        build.build(
            lambda line: reporter.write_line(f"lab: {line}") if reporter else None, kubernetes=kubernetes()
        )
    except LabError as error:
        config.stash[_BUILT] = Built(error=error)
    else:
        config.stash[_BUILT] = Built()


def require_built(config: pytest.Config) -> None:
    """Skips or fails the test where the lab could not be built."""
    built = config.stash.get(_BUILT, Built())
    if built.error is not None:
        pytest.fail(f"the lab was not built: {built.error}\n{built.error.hint}")
    if built.no_go is not None:
        reason = f"no lab without Go: {built.no_go}; {built.no_go.hint}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def kubernetes() -> str:
    """Returns the minor version of the lab."""
    return os.environ.get("FLEET_LAB_KUBERNETES") or build.DEFAULT
