"""Differential: what reaches a server with a kubeconfig, by kubectl and by fleet, is the same; or both refuse."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from msgspec import Struct

from fleet.lab.control_plane.certificates import issue
from fleet.lab.errors import LabError
from tests.kubectl.cases import SECRETS, Case, World
from tests.kubectl.field_cases import named
from tests.kubectl.generated_cases import generated
from tests.kubectl.programs import NOW, CommandResult, built, by_fleet, by_kubectl
from tests.kubectl.recorder import Recorded, recording

SEEDS = range(70)

pytestmark = pytest.mark.timeout(900)
"""The first one compiles kubectl: some 20 seconds where the lab was built before, and minutes where not."""


class Outcome(Struct, frozen=True):
    """What the server and a plugin have received."""

    received: tuple[Recorded, ...]
    reported: str


@pytest.fixture(scope="module")
def kubectl() -> Path:
    if shutil.which("go") is None:
        reason = "kubectl is built from Go modules, and there is no `go` on PATH"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        return built()
    except LabError as error:
        pytest.fail(f"kubectl was not built: {error}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    issued = issue(tmp_path_factory.mktemp("pki") / "pki", NOW)
    server = issued.api_server
    with recording(str(server.certificate), str(server.key), str(issued.authority)) as recorder:
        yield World(recorder, issued)


def written(case: Case, folder: Path) -> dict[str, str]:
    """The environment in which the case's files are found."""
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            content = yaml.safe_dump(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        if name.endswith("plugin"):
            path.chmod(0o755)
    files = [str(folder / each) if each else "" for each in case.kubeconfig]
    own = {"HOME": str(folder / "home"), "PATH": "/usr/bin:/bin", "KUBECONFIG": os.pathsep.join(files)}
    return {key: value.replace("HERE", str(folder)) for key, value in {**own, **case.environ}.items()}


def outcomes(
    case: Case, world: World, kubectl: Path, folder: Path
) -> tuple[Outcome, CommandResult, Outcome, CommandResult]:
    environ = written(case, folder)
    (folder / "elsewhere").mkdir()
    result = by_kubectl(kubectl, environ, case.context, folder / "elsewhere")
    right = _outcome(world, folder)
    ours = by_fleet(environ, case.context)
    return right, result, _outcome(world, folder), ours


def _outcome(world: World, folder: Path) -> Outcome:
    reported = sorted(folder.rglob("told"))
    message = "".join(each.read_text() for each in reported)
    for each in reported:
        each.unlink()
    return Outcome(tuple(world.recorder.taken()), _same(message))


def _same(reported: str) -> str:
    """What the plugin wrote, its JSON in one order."""
    if not reported:
        return ""
    info, end = json.JSONDecoder().raw_decode(reported)
    return "\n".join(
        [json.dumps(info, sort_keys=True), *(line for line in reported[end:].splitlines() if line)]
    )


def compared(cases: Iterator[Case], world: World, kubectl: Path, folder: Path) -> tuple[int, int]:
    """How many kubectl asked with, and how many it refused. Fails with every case in which fleet differs."""
    counts, wrong = Counter[bool](), []
    for number, case in enumerate(cases):
        place = folder / str(number)
        place.mkdir()
        right, theirs, ours, result = outcomes(case, world, kubectl, place)
        counts[bool(right.received)] += 1
        if case.stricter:
            agreed = bool(right.received) and not ours.received and bool(result.error)
        else:
            agreed = right == ours and bool(theirs.error) == bool(result.error)
        if not agreed:
            wrong.append(f"{case.name}\n  kubectl {right} {theirs}\n  fleet   {ours} {result}")
        wrong += [f"{case.name}: a secret in {result}" for secret in SECRETS if secret in result.error]
    assert not wrong, "\n".join(wrong)
    return counts[True], counts[False]


def test_each_field_of_a_kubeconfig_means_the_same_to_kubectl(
    world: World, kubectl: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked, refused = compared(named(world), world, kubectl, tmp_path)
    assert asked > 110 and refused > 110
    assert not caplog.records


def test_generated_kubeconfigs_mean_the_same_to_kubectl(
    world: World, kubectl: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cases = (generated(world, seed) for seed in SEEDS)
    asked, refused = compared(cases, world, kubectl, tmp_path)
    assert asked > 25 and refused > 20
    assert not caplog.records
