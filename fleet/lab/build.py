"""Builds the lab's two binaries from the Go sources beside this file, once for each version of the sources and each
release of Kubernetes.

The binaries are in a cache outside the checkout, in a folder named by a hash of the sources and of the Go toolchain. A
folder with that name is complete: it appears by a rename.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from fleet.lab.errors import LabError

ReportLine = Callable[[str], None]
"""A callback that receives a line for the user as each step of a long piece of work begins."""

SOURCES = Path(__file__).parent / "go"
KUBERNETES_VERSION = "v1.36.3"
"""The default version of the lab, which its real hosts run too."""
INSTALL_GO = "install Go from https://go.dev/dl/ and put it on PATH, then try again"

_PROGRESS_EVERY = 100
"""The number of compiled packages between two lines of progress."""


class Version(msgspec.Struct, frozen=True):
    """A release of Kubernetes that the lab can run."""

    kubernetes: str
    modules: Path | None = None
    """The module file of its control plane, with its hashes beside it; None: the file in the folder of the sources."""


DEFAULT = "1.36"
VERSIONS: Mapping[str, Version] = {
    DEFAULT: Version(KUBERNETES_VERSION),
    "1.37": Version("v1.37.2", SOURCES / "1.37" / "controlplane.mod"),
}
"""The releases by minor version. Each has the etcd that its module file names: 3.6.8, and 3.7.3 with 1.37."""


def version_of(name: str) -> Version:
    """Returns the release of that minor version. Raises LabError for a version that the lab does not have."""
    if name not in VERSIONS:
        raise LabError(f"the lab has no Kubernetes {name}", f"it has: {', '.join(VERSIONS)}")
    return VERSIONS[name]


class Binaries(msgspec.Struct, frozen=True):
    """The paths of the built programs."""

    controlplane: Path
    kwok: Path


class Toolchain(msgspec.Struct, frozen=True):
    """A Go toolchain that can build the sources: the command's path, its version and the platform that it builds
    for."""

    command: Path
    version: str
    platform: str


def cache_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Returns the folder of built binaries: `$XDG_CACHE_HOME/fleet/lab`, or `~/.cache/fleet/lab`."""
    base = environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "fleet" / "lab"


def find_toolchain(search_path: str | None = None) -> Toolchain:
    """Returns the Go toolchain on PATH (or `search_path`).

    Raises LabError where there is none or it is older than the sources need.
    """
    command = shutil.which("go", path=search_path)
    if command is None:
        raise LabError(
            "the lab needs Go to build its control plane once, and there is no `go` on PATH", INSTALL_GO
        )
    environments = [_go_env(Path(command), module) for module in _modules()]
    version, system, machine = environments[0]
    return Toolchain(Path(command), version, f"{system}/{machine}")


def version_key(toolchain: Toolchain, version: Version = VERSIONS[DEFAULT]) -> str:
    """Returns the name of a build: 16 hexadecimal digits over the Go sources, the toolchain, the platform and the
    release."""
    digest = hashlib.sha256(f"{toolchain.version} {toolchain.platform} {version.kubernetes}".encode())
    own = (version.modules, version.modules.with_suffix(".sum")) if version.modules is not None else ()
    files = [path for module in _modules() for path in module.iterdir() if path.is_file()]
    for file in sorted([*files, *own]):
        digest.update(f"\0{file.relative_to(SOURCES)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def build(
    progress: ReportLine, cache: Path | None = None, search_path: str | None = None, kubernetes: str = DEFAULT
) -> Binaries:
    """Returns the binaries, which are built now if this version was not built before (about 6 minutes on two cores).

    `kubernetes` is a minor version, one of VERSIONS. `progress` gets a line every few seconds while something is
    built. If several processes build at once, one builds and the others wait. Raises LabError.
    """
    version, toolchain = version_of(kubernetes), find_toolchain(search_path)
    directory = (cache or cache_directory()) / version_key(toolchain, version)
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        with _locked(directory.with_suffix(".lock"), progress):
            if not directory.is_dir():
                _build_into(directory, toolchain, version, progress)
    return Binaries(controlplane=directory / "controlplane", kwok=directory / "kwok")


def _build_into(directory: Path, toolchain: Toolchain, version: Version, progress: ReportLine) -> None:
    """Builds into a temporary folder, which is then renamed. The caller holds this version's lock, so the temporary
    folder can only have files of an interrupted build."""
    unfinished = directory.with_name(f".building-{directory.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        for module in _modules():
            _build_module(module, unfinished / module.name, toolchain, version, progress)
        unfinished.rename(directory)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    progress(f"built the lab's control plane into {directory}")


def _build_module(
    module: Path, target: Path, toolchain: Toolchain, version: Version, progress: ReportLine
) -> None:
    major, minor, _ = version.kubernetes.removeprefix("v").split(".")
    stamped = "k8s.io/component-base/version.git"
    stamps = {"Version": version.kubernetes, "Major": major, "Minor": minor}
    linker = " ".join(["-s -w", *(f"-X {stamped}{name}={value}" for name, value in stamps.items())])
    command = [str(toolchain.command), "build", "-v", "-trimpath", "-buildvcs=false"]
    if version.modules is not None and version.modules.stem == module.name:
        command.append(f"-modfile={version.modules}")
    command += ["-ldflags", linker, "-o", str(target), "."]
    progress(f"building {module.name} with {toolchain.version} (once; a few minutes)")
    with subprocess.Popen(
        command,
        cwd=module,
        env=_go_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        last = list(_report(process.stderr, module.name, progress))[-15:]
    if process.returncode != 0:
        raise LabError(
            f"building {module.name} failed:\n" + "\n".join(last),
            "the first build downloads Go modules: check the network (and GOPROXY), then try again",
        )


def _report(lines: Iterable[str], name: str, progress: ReportLine) -> Iterator[str]:
    """Yields the lines of `go build -v` that are no package names, and reports the count of packages to `progress`."""
    compiled = downloaded = 0
    for raw in lines:
        line = raw.rstrip()
        if line.startswith("go: downloading "):
            downloaded += 1
            if downloaded % _PROGRESS_EVERY == 1:
                progress(f"{name}: downloading modules ({downloaded})")
        elif " " in line or line.startswith("#"):
            yield line
        else:
            compiled += 1
            if compiled % _PROGRESS_EVERY == 0:
                progress(f"{name}: {compiled} packages compiled")


def _modules() -> list[Path]:
    return [SOURCES / "controlplane", SOURCES / "kwok"]


def _go_environment() -> dict[str, str]:
    """Returns the environment of Go. A user's go.work or C compiler must not change what is built."""
    return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}


def _go_env(command: Path, module: Path) -> tuple[str, str, str]:
    answer = subprocess.run(
        [command, "env", "GOVERSION", "GOOS", "GOARCH"],
        cwd=module,
        env=_go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    values = answer.stdout.split()
    if answer.returncode != 0 or len(values) != 3:
        # In a module folder, a go that is too old prints an error with both versions.
        raise LabError(f"this Go cannot build the lab: {answer.stderr.strip()}", INSTALL_GO)
    return values[0], values[1], values[2]


@contextmanager
def _locked(path: Path, progress: ReportLine) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another process is building the lab's control plane; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
