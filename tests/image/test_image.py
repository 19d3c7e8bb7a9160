"""The image of fleet, built twice from nothing: four minutes; needs mmdebstrap, the network and root. `make image-test`."""

from __future__ import annotations

import gzip
import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from fleet.lab.machines.container import debian
from tests.installed import installed
from tools.lock import ROOT, pinned

pytestmark = pytest.mark.timeout(1800)

COMMAND = "/opt/fleet/bin/fleet"


def build(folder: Path) -> Path:
    command = [sys.executable, "-m", "tools.image", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    installed("mmdebstrap", "mmdebstrap")
    return build(tmp_path_factory.mktemp("image") / "first")


@pytest.fixture(scope="module")
def root(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file system of a container of this image."""
    folder = tmp_path_factory.mktemp("root")
    # The user of the image enters it; pytest makes folders for their owner alone.
    folder.chmod(0o755)
    for tar in layers(image):
        with tarfile.open(fileobj=io.BytesIO(tar)) as packed:
            packed.extractall(folder, filter="fully_trusted")
    null = folder / "dev/null"
    subprocess.run(["mknod", "-m", "666", null, "c", "1", "3"], check=True)
    yield folder


def blob(image: Path, described: dict[str, str]) -> bytes:
    return (image / "blobs" / described["digest"].replace(":", "/")).read_bytes()


def manifest(image: Path) -> dict[str, list[dict[str, str]]]:
    (entry,) = json.loads((image / "index.json").read_bytes())["manifests"]
    found: dict[str, list[dict[str, str]]] = json.loads(blob(image, entry))
    return found


def layers(image: Path) -> list[bytes]:
    return [gzip.decompress(blob(image, each)) for each in manifest(image)["layers"]]


def inside(root: Path, *command: str) -> str:
    """The output of a command in the image, by its user."""
    user = f"--userspec={debian.USER}:{debian.USER}"
    environment = {"PATH": "/opt/fleet/bin:/usr/bin", "HOME": debian.HOME, "LANG": "C.UTF-8"}
    done = subprocess.run(
        ["/usr/sbin/chroot", user, root, *command], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_second_build_has_the_same_digest(image: Path, tmp_path: Path) -> None:
    again = build(tmp_path / "second")
    assert (image / "packages.txt").read_text() == (again / "packages.txt").read_text()
    assert (image / "sbom.json").read_bytes() == (again / "sbom.json").read_bytes()
    assert (image / "index.json").read_bytes() == (again / "index.json").read_bytes()


def test_every_program_finds_its_libraries_and_none_takes_rights(root: Path) -> None:
    (loader,) = (root / "usr/lib").glob("*-linux-gnu/ld-linux*.so*")
    lacking = {}
    for path in (each for each in root.rglob("*") if each.is_file() and not each.is_symlink()):
        assert not path.stat().st_mode & 0o6000, path
        with path.open("rb") as file:
            if file.read(4) != b"\x7fELF":
                continue
        named = [f"/{each.relative_to(root)}" for each in (loader, path)]
        done = subprocess.run(
            ["/usr/sbin/chroot", root, named[0], "--list", named[1]], capture_output=True, text=True
        )
        if "not found" in done.stdout + done.stderr:
            lacking[named[1]] = done.stdout
    assert not lacking


def test_fleet_ssh_and_ansible_run_as_the_user_of_the_image(root: Path) -> None:
    assert inside(root, "fleet", "--version").startswith("fleet ")
    assert "hostname node-1" in inside(root, "ssh", "-G", "node-1")
    assert "ansible-playbook" in inside(root, "python3", "-m", "ansible", "playbook", "--version")
    trusted = "import ssl; print(ssl.create_default_context().cert_store_stats()['x509_ca'])"
    assert int(inside(root, "python3", "-c", trusted)) > 100


def test_packages_are_those_of_the_lock_for_the_python_of_the_image(root: Path) -> None:
    listing = "import importlib.metadata as m; print(*sorted(f'{d.name.lower()}={d.version}' for d in m.distributions()))"
    found = {
        each.replace("_", "-").replace(".", "-") for each in inside(root, "python3", "-c", listing).split()
    }
    lock = pinned((ROOT / "deploy/requirements.lock").read_text(), debian.PYTHON.removeprefix("python"))
    wanted = {f"{each.name}={each.version}".replace(".", "-") for each in lock if each.name != "kubernetes"}
    assert {each for each in found if not each.startswith("fleet=")} == wanted


def test_bill_of_materials_lists_what_is_in_it(image: Path, root: Path) -> None:
    bom = json.loads((image / "sbom.json").read_bytes())
    listed = {(each["purl"].partition("/")[0], each["name"], each["version"]) for each in bom["components"]}
    versions = {
        path.name: re.findall(r"^Version: (.*)$", path.read_text(), re.MULTILINE)[0]
        for path in (root / "var/lib/dpkg/status.d").iterdir()
    }
    listing = "import importlib.metadata as m; print(*(f'{d.name}={d.version}' for d in m.distributions()))"
    distributions = [each.split("=") for each in inside(root, "python3", "-c", listing).split()]
    wanted = {("pkg:deb", name, version) for name, version in versions.items()}
    wanted |= {
        ("pkg:pypi", canonicalize_name(name), version) for name, version in distributions if name != "fleet"
    }
    assert listed == wanted


def test_nothing_that_builds_or_tests_is_in_it(root: Path) -> None:
    for unwanted in ("pip", "setuptools", "pytest", "ansible_test", "kubernetes"):
        assert not list(root.glob(f"**/{unwanted}/__init__.py")), unwanted
    assert not list((root / "usr/share/man").glob("*"))


def test_skopeo_reads_it(image: Path) -> None:
    done = subprocess.run(
        [installed("skopeo", "skopeo"), "inspect", f"oci:{image}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["Labels"]["org.opencontainers.image.title"] == "fleet"
    assert len(shown["Layers"]) == 3
