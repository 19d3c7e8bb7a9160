"""Builds what a release has, in `dist/`: `make dist`.

- the wheel, and the source distribution
- the Helm chart, and the plain manifests
- the bill of materials of the wheel with all that it runs on (CycloneDX)
- `SHA256SUMS` of these, and its signature where a key is given: `make dist KEY=FILE`

The files are made from the commit, and not from the folder: what is not committed is not in them. The same commit and the
same versions of the lock give the same bytes; SOURCE_DATE_EPOCH is the time in all files, by default that of the commit.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

from tools.lock import DOCKERFILE, LOCK, ROOT, image_python, pinned
from tools.sbom import bill, installed

FOLDER = ROOT / "dist"
SUMS = "SHA256SUMS"
SIGNED_AS = "fleet-release"
"""The namespace of signatures: one that was made for something else is not valid here."""
_BACKEND = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


def build(folder: Path, commit: str = "HEAD") -> list[Path]:
    """Builds the files into an empty folder, and returns them. Raises CalledProcessError with what git or setuptools
    say."""
    with tempfile.TemporaryDirectory(prefix="fleet-dist-") as temporary:
        source = Path(temporary, "source")
        _checkout(commit, source)
        time = int(os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct", commit))
        project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
        name, version = str(project["name"]), str(project["version"])
        made = Path(temporary, "made")
        for kind in ("build_sdist", "build_wheel"):
            _setuptools(source, kind, made, time)
        sdist = _only(made, "*.tar.gz")
        with tempfile.TemporaryDirectory(prefix="fleet-sdist-") as unpacked:
            with tarfile.open(sdist) as archive:
                archive.extractall(unpacked, filter="data")
            (folder / sdist.name).write_bytes(packed(_only(Path(unpacked), "*"), time))
        shutil.copy(_only(made, "*.whl"), folder)
        (folder / f"{name}-{version}.tgz").write_bytes(packed(source / "deploy" / "chart" / "fleet", time))
        shutil.copy(source / "deploy" / "manifests" / "fleet.yaml", folder / f"{name}-{version}.yaml")
        pins = pinned(LOCK.read_text(), image_python(DOCKERFILE.read_text()))
        (folder / f"{name}-{version}.cdx.json").write_text(bill(project, pins, installed))
    files = sorted(folder.iterdir())
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (folder / SUMS).write_text("".join(lines))
    return [*files, folder / SUMS]


def sign(file: Path, key: str) -> None:
    """Writes the signature of a file by a private ssh key beside it, as FILE.sig. Raises CalledProcessError."""
    subprocess.run(["ssh-keygen", "-Y", "sign", "-n", SIGNED_AS, "-f", key, str(file)], check=True)


def packed(folder: Path, time: int) -> bytes:
    """Returns a gzipped tar of the folder, whose bytes depend on the content alone: files by name, with one time, owner
    and mode. Links are followed."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=time, filename="") as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            content = path.read_bytes()
            member = tarfile.TarInfo(str(Path(folder.name) / path.relative_to(folder)))
            member.size, member.mtime = len(content), time
            member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _checkout(commit: str, folder: Path) -> None:
    folder.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="tar")


def _setuptools(source: Path, kind: str, made: Path, time: int) -> None:
    # The modes of files in a wheel are those that they have here.
    environ = {**os.environ, "SOURCE_DATE_EPOCH": str(time), "PYTHONHASHSEED": "0"}
    subprocess.run(
        [sys.executable, "-P", "-c", _BACKEND, kind, str(made)],
        cwd=source,
        env=environ,
        capture_output=True,
        check=True,
        umask=0o022,
    )


def _only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def main() -> None:
    arguments = argparse.ArgumentParser(description="Builds what a release has, in dist/.")
    arguments.add_argument("--tag", default="", help="Refuse a tag that is not v and the package's version.")
    arguments.add_argument("--key", default="", help="Sign SHA256SUMS with this private ssh key.")
    given = arguments.parse_args()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    if given.tag not in ("", f"v{version}"):
        arguments.error(f"the tag is {given.tag}, and pyproject.toml has the version {version}")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    for file in build(FOLDER):
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size:,} bytes")
    if given.key:
        sign(FOLDER / SUMS, given.key)
    if changed := _git("status", "--porcelain", "--untracked-files=no"):
        print(f"Not in it, since it is not committed:\n{changed}", file=sys.stderr)


if __name__ == "__main__":
    main()
