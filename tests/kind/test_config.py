"""The kind cluster's configuration is read and judged by kind itself, in front of an engine that does nothing.

There is no container engine here. A `docker` is played that says it is there, has no containers, and refuses to fetch
an image: kind asks for that after it has read and validated its configuration, and not before.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from fleet.lab.errors import LabError
from fleet.lab.machines.computer.command import run
from fleet.lab.machines.images import kept

FOLDER = Path(__file__).parent
CONFIG = FOLDER / "cluster.yaml"
NO_IMAGES = "there are no images here"
DOCKER = f"""#!/bin/sh
case "$1" in
info) echo '{{"CgroupDriver": "systemd", "CgroupVersion": "2"}}' ;;
ps) ;;
*) echo "{NO_IMAGES}: docker $*" >&2; exit 1 ;;
esac
"""


@dataclass(frozen=True)
class Kind:
    program: Path
    folder: Path

    def create(self, config: str) -> str:
        """What kind prints as it fails: it cannot succeed here."""
        file = self.folder / "config.yaml"
        file.write_text(config)
        environment = {
            "HOME": str(self.folder),
            "PATH": f"{self.folder}:/usr/bin:/bin",
            "KIND_EXPERIMENTAL_PROVIDER": "docker",
        }
        command = [str(self.program), "create", "cluster", "--name", "fleet", "--config", str(file)]
        command += ["--kubeconfig", str(self.folder / "kubeconfig")]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 1, done.stdout
        return done.stderr


@pytest.fixture
def kind(tmp_path: Path) -> Kind:
    if shutil.which("go") is None:
        reason = "kind is built from its Go module, and there is no `go` on PATH"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    engine = tmp_path / "docker"
    engine.write_text(DOCKER)
    engine.chmod(0o755)
    return Kind(_built(), tmp_path)


def _built() -> Path:
    module = FOLDER / "go"
    made_from = kept.key(*kept.contents(module))

    def make(folder: Path) -> None:
        command = ("go", "build", "-trimpath", "-buildvcs=false", "-o", folder / "kind", "sigs.k8s.io/kind")
        run("nice", "-n", "10", *command, cwd=module, environment={"CGO_ENABLED": "0", "GOWORK": "off"})

    try:
        return kept.keep("kind", made_from, make, print) / "kind"
    except LabError as error:
        pytest.fail(f"kind was not built: {error}")


def test_kind_accepts_the_configuration(kind: Kind) -> None:
    assert NO_IMAGES in kind.create(CONFIG.read_text())


@pytest.mark.parametrize(
    ("right", "wrong", "arguments"),
    [
        ("labels:", "lables:", "field lables not found in type v1alpha4.Node"),
        ("role: worker", "role: wroker", '"wroker" is not a valid node role'),
        ("role: control-plane", "role: worker", "must have at least one control-plane node"),
        ("v1alpha4", "v1alpha9", "unknown apiVersion: kind.x-k8s.io/v1alpha9"),
    ],
)
def test_kind_refuses_a_wrong_configuration_before_it_pulls_images(
    kind: Kind, right: str, wrong: str, arguments: str
) -> None:
    result = kind.create(CONFIG.read_text().replace(right, wrong))
    assert arguments in result
    assert NO_IMAGES not in result


def test_workers_of_two_pools_are_in_three_zones() -> None:
    nodes = [
        node["labels"] for node in yaml.safe_load(CONFIG.read_text())["nodes"] if node["role"] == "worker"
    ]
    assert {node["topology.kubernetes.io/zone"] for node in nodes} == {"a", "b", "c"}
    assert {node["fleet.internal/pool"] for node in nodes} == {"workers", "storage"}


def test_walkthrough_creates_the_cluster_and_adds_it(tmp_path: Path) -> None:
    """With a fake kind and a fake fleet, which record their order and folder and do nothing."""
    called = tmp_path / "called"
    for name in ("kind", "fleet"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>{called}\n')
        program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    script = [FOLDER / "walkthrough.sh", tmp_path / "walk"]
    subprocess.run(script, env=environment, check=True, timeout=60)
    lines = called.read_text().splitlines()
    assert lines[0].startswith("kind create cluster --name fleet --config ")
    assert lines[1:4] == [
        "fleet init",
        "fleet cluster add kind --kubeconfig kubeconfig --site here",
        "fleet cluster install kind --no-agent",
    ]
    again = subprocess.run(script, env=environment, capture_output=True, check=False, timeout=60)
    assert again.returncode != 0, "the folder of an earlier walk is left alone"
