"""Builds the programs that a machine runs besides Debian's packages: containerd and Kubernetes with its kubelet, from
Go modules."""

from __future__ import annotations

import os
from pathlib import Path

from fleet.lab.build import KUBERNETES_VERSION, SOURCES, ReportLine, Toolchain, find_toolchain
from fleet.lab.machines.computer.command import run
from fleet.lab.machines.images import kept

CONTAINERD_VERSION = "v2.4.2"
CONTAINERD = Path(__file__).parent / "go" / "containerd"
IMAGES = Path(__file__).parent / "go" / "images"

_PACKAGE = "github.com/containerd/containerd/v2"
_COMMANDS = ("containerd", "ctr", "containerd-shim-runc-v2")
_WITHOUT = "no_btrfs no_devmapper no_zfs"


def build(progress: ReportLine) -> Path:
    """Returns a folder with `containerd`, `ctr`, `containerd-shim-runc-v2`, `kubernetes`, and the contents of images,
    in `images/`.

    The build takes some two minutes on two cores if the lab's control plane was built before. Raises LabError.
    """
    toolchain = find_toolchain()
    sources = [
        part for folder in (CONTAINERD, IMAGES, SOURCES / "controlplane") for part in kept.contents(folder)
    ]
    made_from = kept.key(toolchain.version, toolchain.platform, KUBERNETES_VERSION, *sources)
    return kept.keep("programs", made_from, lambda folder: _build(folder, toolchain, progress), progress)


def _build(folder: Path, toolchain: Toolchain, progress: ReportLine) -> None:
    progress(f"building containerd {CONTAINERD_VERSION} (once; a minute or two)")
    linker = f"-s -w -X {_PACKAGE}/version.Version={CONTAINERD_VERSION}"
    commands = [f"{_PACKAGE}/cmd/{name}" for name in _COMMANDS]
    _go(toolchain, CONTAINERD, "-tags", _WITHOUT, "-ldflags", linker, "-o", f"{folder}/", *commands)
    progress(
        f"building Kubernetes {KUBERNETES_VERSION} with its kubelet (once; a minute, or six without the lab)"
    )
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    stamps = {"Version": KUBERNETES_VERSION, "Major": major, "Minor": minor}
    version = "k8s.io/component-base/version.git"
    linker = " ".join(["-s -w", *(f"-X {version}{name}={value}" for name, value in stamps.items())])
    output = str(folder / "kubernetes")
    _go(toolchain, SOURCES / "controlplane", "-tags", "kubelet", "-ldflags", linker, "-o", output, ".")
    (folder / "images").mkdir()
    for source in sorted(path for path in IMAGES.iterdir() if path.is_dir()):
        _go(
            toolchain,
            IMAGES,
            "-ldflags",
            "-s -w",
            "-o",
            str(folder / "images" / source.name),
            f"./{source.name}",
        )


def _go(toolchain: Toolchain, module: Path, *arguments: str) -> None:
    environment = {"CGO_ENABLED": "0", "GOWORK": "off", "PATH": os.environ.get("PATH", "")}
    command = [str(toolchain.command), "build", "-trimpath", "-buildvcs=false", *arguments]
    run("nice", "-n", "10", *command, cwd=module, environment=environment)
