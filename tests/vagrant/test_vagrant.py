"""The walk-through's files, judged by Vagrant and by Ignition's own validator. No machine is started here."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "vagrant"
NAMES = ("control-1", "worker-1", "worker-2", "worker-3")
PACKAGES = {
    "vagrant": "vagrant",
    "ignition-validate": "ignition",
    "ruby": "ruby",
    "ssh-keygen": "openssh-client",
}


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    missing = {package for command, package in PACKAGES.items() if shutil.which(command) is None}
    if not any(Path("/usr/share").glob("rubygems-integration/all/gems/vagrant-libvirt-*")):
        missing.add("vagrant-libvirt")
    if missing:
        reason = f"this computer lacks: apt-get install {' '.join(sorted(missing))}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is made goes into a copy, and Vagrant's own files into a home beside it."""
    home = tmp_path_factory.mktemp("home")
    return Path(shutil.copytree(FOLDER, home / "vagrant", ignore=shutil.ignore_patterns(".vagrant")))


@pytest.fixture(scope="module")
def written(copy: Path) -> Path:
    folder = copy.parent / "ignition"
    subprocess.run(["ruby", copy / "machines.rb", folder], check=True, timeout=60, stdout=subprocess.DEVNULL)
    return folder


def ran(copy: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(copy.parent), "VAGRANT_CHECKPOINT_DISABLE": "1", **more}
    return subprocess.run(
        arguments, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def validate(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ignition-validate", path], capture_output=True, text=True, check=False, timeout=60
    )


def files(written: Path, name: str) -> dict[str, Any]:
    config = json.loads((written / f"{name}.ign").read_text())
    return {file["path"]: file for file in config["storage"]["files"]}


def settings(written: Path, name: str) -> Any:
    source = files(written, name)["/etc/rancher/k3s/config.yaml"]["contents"]["source"]
    return json.loads(base64.b64decode(source.removeprefix("data:;base64,")))


@pytest.fixture(scope="module")
def virtualbox(copy: Path) -> str:
    """A PATH with a VBoxManage that prints its version and no more: Vagrant then reads what is meant for
    VirtualBox."""
    program = copy.parent / "bin/VBoxManage"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 6.1.50r161033\n")
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


@pytest.mark.parametrize("provider", ["libvirt", "virtualbox"])
def test_vagrant_accepts_the_configuration_of_each_provider(
    copy: Path, virtualbox: str, provider: str
) -> None:
    result = ran(copy, "vagrant", "validate", VAGRANT_DEFAULT_PROVIDER=provider, PATH=virtualbox)
    assert result.returncode == 0, result.stderr
    assert "validated successfully" in result.stdout


@pytest.mark.parametrize(
    ("provider", "right", "wrong"),
    [
        ("libvirt", "insert_key", "insert_kye"),
        ("libvirt", "libvirt.memory", "libvirt.memry"),
        ("virtualbox", "virtualbox.memory", "virtualbox.memry"),
    ],
)
def test_vagrant_refuses_a_mistake(
    copy: Path, virtualbox: str, provider: str, right: str, wrong: str
) -> None:
    (copy / "Wrong").write_text((copy / "Vagrantfile").read_text().replace(right, wrong))
    more = {"VAGRANT_DEFAULT_PROVIDER": provider, "VAGRANT_VAGRANTFILE": "Wrong", "PATH": virtualbox}
    result = ran(copy, "vagrant", "validate", **more)
    assert result.returncode != 0
    assert wrong.rpartition(".")[2] in result.stderr + result.stdout


@pytest.mark.parametrize("name", NAMES)
def test_ignition_accepts_the_configuration_of_each_machine(written: Path, name: str) -> None:
    result = validate(written / f"{name}.ign")
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_ignition_refuses_a_mistake(written: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.ign"
    wrong.write_text((written / "worker-1.ign").read_text().replace("sha256-", "sha255-"))
    assert validate(wrong).returncode != 0


def test_downloads_are_pinned_by_their_checksum(written: Path) -> None:
    for name in NAMES:
        fetched = [
            each["contents"] for each in files(written, name).values() if "http" in each["contents"]["source"]
        ]
        assert fetched
        assert all(re.fullmatch(r"sha256-[0-9a-f]{64}", each["verification"]["hash"]) for each in fetched)


def test_workers_join_the_control_plane_with_the_same_token(written: Path) -> None:
    control, *workers = (settings(written, name) for name in NAMES)
    assert "server" not in control
    assert {each["server"] for each in workers} == {f"https://{control['node-ip']}:6443"}
    assert {each["token"] for each in (control, *workers)} == {control["token"]}
    assert len({each["node-ip"] for each in (control, *workers)}) == len(NAMES)


def test_secrets_are_generated_once_and_private(written: Path, copy: Path) -> None:
    before = {path.name: path.read_bytes() for path in written.glob("*.ign")}
    subprocess.run(["ruby", copy / "machines.rb", written], check=True, timeout=60, stdout=subprocess.DEVNULL)
    assert {path.name: path.read_bytes() for path in written.glob("*.ign")} == before
    private = [written / "secrets", written / "secrets/id_ed25519", written / "secrets/token"]
    assert {path.stat().st_mode & 0o077 for path in private} == {0}


def test_image_with_another_checksum_becomes_no_box(copy: Path, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"something else")
    for provider in ("libvirt", "virtualbox"):
        result = ran(copy, "./box", provider, FLEET_BOX_IMAGE=str(image))
        assert result.returncode == 1
        assert "fetch it again" in result.stderr
    assert ran(copy, "./box").returncode == 2


def test_image_with_the_right_checksum_becomes_a_box(copy: Path, tmp_path: Path) -> None:
    """With an image of ours in the place of Fedora CoreOS's, and its checksum in the script's."""
    image = tmp_path / "disk.xz"
    image.write_bytes(subprocess.run(["xz", "-c"], input=b"a disk", capture_output=True, check=True).stdout)
    script = copy / "box"
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    right = copy / "box-of-ours"
    right.write_text(re.sub(r"sum=[0-9a-f]{64}", f"sum={digest}", script.read_text()))
    right.chmod(0o755)
    result = ran(copy, "./box-of-ours", "libvirt", FLEET_BOX_IMAGE=str(image))
    assert result.returncode == 0, result.stderr
    assert "fleet/fedora-coreos" in ran(copy, "vagrant", "box", "list").stdout
