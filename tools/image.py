"""Builds the image of fleet for a release, as an OCI image layout: `make image`, or `python -m tools.image FOLDER`.

Nothing is taken from an earlier build, so the image has the newest packages of Debian's suite. Two builds with the same
packages, the same lock and the same commit give the same digest; `FOLDER/packages.txt` lists the packages, and
`FOLDER/sbom.json` is the bill of materials of all that is in the image (CycloneDX). SOURCE_DATE_EPOCH is the time in the
image's label and configuration; without it, that of the last commit.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from fleet.lab.errors import LabError
from fleet.lab.machines.container import debian, image, oci, packages
from tools.debian_packages import read_packages
from tools.lock import LOCK, ROOT, pinned
from tools.sbom import bill, installed

_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "fleet", "playbooks")
"""The files and folders that the wheel is made of."""
_TITLE = "org.opencontainers.image"


def build(folder: Path) -> str:
    """Builds the image into `folder`, which must not exist, and returns its digest. Raises LabError."""
    if folder.exists():
        raise LabError(f"{folder} exists already", "remove it, or name another folder")
    created, revision = _time(), _git("rev-parse", "HEAD")
    with tempfile.TemporaryDirectory(prefix="fleet-image-") as temporary:
        wheel = _wheel(Path(temporary), created)
        # The builder's cache is for the lab, where old packages do no harm.
        os.environ["XDG_CACHE_HOME"] = str(Path(temporary, "cache"))
        version = wheel.name.split("-")[1]
        at = created.isoformat().replace("+00:00", "Z")
        made = image.build(_report, wheel=wheel, labels=labels(version, revision, at), created=at)
        tree = debian.unpack(_report) / "tree"
        listed = debian.packages(tree)
        materials = _materials(tree / "var/lib/dpkg/status.d", listed)
    # The name that a kubelet gives to fleet:VERSION, for runtimes that import the folder.
    oci.write_layout(made, folder, f"docker.io/library/fleet:{version}")
    (folder / "packages.txt").write_text("".join(f"{package}\n" for package in listed))
    (folder / "sbom.json").write_text(materials)
    print(f"{folder}: fleet:{version}@{made.manifest}, {made.size / 1e6:.0f} MB")
    return made.manifest


def labels(version: str, revision: str, created: str) -> Mapping[str, str]:
    """Returns the labels of the image, by the specification of OCI images."""
    return {
        f"{_TITLE}.title": "fleet",
        f"{_TITLE}.description": "Keeps the nodes of many Kubernetes clusters patched: controller and agent",
        f"{_TITLE}.licenses": "Apache-2.0",
        f"{_TITLE}.version": version,
        f"{_TITLE}.revision": revision,
        f"{_TITLE}.created": created,
        f"{_TITLE}.base.name": f"debian:{debian.SUITE}",
    }


def _materials(status: Path, listed: Sequence[str]) -> str:
    """Returns the bill of materials of the image, with Debian's packages and Python's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = pinned(LOCK.read_text(), debian.PYTHON.removeprefix("python"))
    kept = [pin for pin in pins if pin.name not in packages.LAB_ALONE]
    names = [package.partition("=")[0] for package in listed]
    return bill(project, kept, installed, read_packages(status, names))


def _time() -> datetime:
    given = os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct")
    return datetime.fromtimestamp(int(given), UTC)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"git {arguments[0]} failed: {done.stderr.strip()}", "build from a checkout")
    return done.stdout.strip()


def _wheel(folder: Path, created: datetime) -> Path:
    """Builds fleet's wheel from a copy: what an earlier build has left beside the sources would get into it."""
    copy = folder / "sources"
    for name in _SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, symlinks=False, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            copy.mkdir(exist_ok=True)
            shutil.copy2(source, copy / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(copy)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(int(created.timestamp()))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"fleet's wheel was not built: {done.stderr.strip()[-1500:]}")
    (wheel,) = folder.glob("fleet-*.whl")
    return wheel


def _report(line: str) -> None:
    print(line, file=sys.stderr)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m tools.image FOLDER", file=sys.stderr)
        return 2
    try:
        build(Path(arguments[0]))
    except LabError as error:
        print(f"error: {error}\n{error.hint}".rstrip(), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
