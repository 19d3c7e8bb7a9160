"""A running cluster for tests: the lab's control plane, or the one of a kubeconfig.

FLEET_TEST_KUBECONFIG names a kubeconfig of a cluster that tests may change as they like. KUBECONFIG is used
too, but only if its current context is one of kind or of a lab: it may well be somebody's production.
Without either a lab is started, one per process of pytest-xdist, and stopped at the end.

How the lab is built is in tests/lab_build.py. Without Go these tests are skipped, and fail with CI=true.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from fleet.lab import Lab
from tests.cluster.cleaning import Baseline
from tests.cluster.rest import Cluster
from tests.lab_build import build_for_tests_in, kubernetes, require_built

SAFE_CONTEXTS = ("kind-", "fleet-lab")


@dataclass(frozen=True)
class Environment:
    """What the tests of one process share. `lab` is None on someone else's cluster."""

    kubeconfig: Path
    lab: Lab | None
    baseline: Baseline


def pytest_collection_finish(session: pytest.Session) -> None:
    if external_kubeconfig(os.environ) is None:
        build_for_tests_in(Path(__file__).parent, session)


def external_kubeconfig(environ: Mapping[str, str]) -> Path | None:
    """The kubeconfig of a cluster that tests may change, if the environment names one."""
    if chosen := environ.get("FLEET_TEST_KUBECONFIG"):
        return Path(chosen)
    usual = environ.get("KUBECONFIG", "")
    if not usual or os.pathsep in usual or not Path(usual).is_file():
        return None
    context = (yaml.safe_load(Path(usual).read_text()) or {}).get("current-context") or ""
    return Path(usual) if context.startswith(SAFE_CONTEXTS) else None


def require_lab(config: pytest.Config) -> None:
    """Skips or fails the test when no lab can be started here, and skips it on someone else's cluster."""
    if external_kubeconfig(os.environ) is not None:
        pytest.skip("stops parts of the control plane: runs on the lab alone")
    require_built(config)


@pytest.fixture(scope="session")
def testbed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Environment]:
    """The cluster of this process, with whatever tests left in it. Use `kubeconfig` or `lab` instead."""
    external = external_kubeconfig(os.environ)
    if external is not None:
        yield Environment(external, None, Baseline.of(Cluster(external), nodes=False))
        return
    require_lab(request.config)
    directory = tmp_path_factory.mktemp("lab") / "state"
    lab = Lab.up(directory, tied=True, progress=print, kubernetes=kubernetes())
    try:
        yield Environment(lab.kubeconfig, lab, Baseline.of(Cluster(lab.kubeconfig), nodes=True))
    finally:
        # The logs of a failed session are worth keeping; pytest clears old ones away.
        lab.down(keep_files=request.session.testsfailed > 0)


@pytest.fixture
def kubeconfig(testbed: Environment) -> Iterator[Path]:
    """The kubeconfig of a cluster that is clean, and is cleaned again afterwards. In a lab: without nodes."""
    yield testbed.kubeconfig
    testbed.baseline.restore(Cluster(testbed.kubeconfig))


@pytest.fixture
def cluster(kubeconfig: Path) -> Cluster:
    """Plain calls to the clean cluster."""
    return Cluster(kubeconfig)


@pytest.fixture
def lab(testbed: Environment, kubeconfig: Path) -> Lab:
    """The shared lab, clean, to add fake nodes to; skipped on someone else's cluster. Do not stop its parts."""
    if testbed.lab is None:
        pytest.skip("needs fake nodes: runs on the lab alone")
    return testbed.lab


@pytest.fixture
def may_start_labs(request: pytest.FixtureRequest) -> None:
    """For tests that start labs themselves."""
    require_lab(request.config)


@pytest.fixture
def fresh_lab(may_start_labs: None, tmp_path: Path) -> Iterator[Lab]:
    """A lab of the test's own, to stop and break."""
    lab = Lab.up(tmp_path / "lab", tied=True, progress=print, kubernetes=kubernetes())
    try:
        yield lab
    finally:
        lab.down()
