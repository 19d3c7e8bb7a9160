"""The files of a release: the same bytes each time, complete, and a fleet that works where only the wheel is."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

from tools.dist import SIGNED_AS, SUMS, build, sign

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build(folder)
    return folder


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def test_second_build_has_the_same_bytes(dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("LC_ALL", "C")
    before = os.umask(0o077)
    try:
        build(tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / SUMS).read_text() == (dist / SUMS).read_text()
    for line in (dist / SUMS).read_text().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    assert len((dist / SUMS).read_text().splitlines()) == len(list(dist.iterdir())) - 1 == 5


def test_time_of_all_files_is_that_of_the_commit(dist: Path) -> None:
    shown = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, check=True)
    for path in dist.glob("*gz"):
        with tarfile.open(path) as archive:
            assert {each.mtime for each in archive.getmembers()} == {int(shown.stdout)}
    with zipfile.ZipFile(only(dist, "*.whl")) as wheel:
        assert len({each.date_time for each in wheel.infolist()}) == 1


def test_wheel_of_the_source_distribution_is_the_wheel(dist: Path, tmp_path: Path) -> None:
    with tarfile.open(only(dist, "*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    with tarfile.open(only(dist, "*.tar.gz")) as archive:
        time = archive.getmembers()[0].mtime
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=only(tmp_path, "fleet-*"),
        env={**os.environ, "SOURCE_DATE_EPOCH": str(time)},
        capture_output=True,
        check=True,
        umask=0o022,
    )
    assert only(tmp_path, "*.whl").read_bytes() == only(dist, "*.whl").read_bytes()


def test_chart_and_bill_are_of_this_version(dist: Path) -> None:
    version = only(dist, "*.whl").name.split("-")[1]
    with tarfile.open(only(dist, "*.tgz")) as archive:
        chart = archive.extractfile("fleet/Chart.yaml")
        assert chart is not None and yaml.safe_load(chart)["version"] == version
        assert {"fleet/values.schema.json", "fleet/templates/installed/crds.yaml"} <= set(archive.getnames())
    bill = json.loads(only(dist, "*.cdx.json").read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", version)
    assert len(bill["components"]) > 20


def test_installed_wheel_runs_the_demo_and_has_every_file_that_it_installs(
    dist: Path, tmp_path: Path
) -> None:
    python = installed(only(dist, "*.whl"), tmp_path / "venv")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}

    def fleet(*arguments: str) -> str:
        ran = subprocess.run(
            [python.parent / "fleet", *arguments],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
        return ran.stdout

    where = "import fleet, pathlib; print(pathlib.Path(fleet.__file__).parent)"
    folder = Path(
        subprocess.run(
            [python, "-c", where], capture_output=True, text=True, check=True, cwd="/"
        ).stdout.strip()
    )
    assert folder.is_relative_to(tmp_path) and (folder / "py.typed").is_file()
    assert fleet("--version").strip() == f"fleet {only(dist, '*.whl').name.split('-')[1]}"
    applied = fleet("cluster", "install", "east", "--dry-run", "--image", "registry.example/fleet:1")
    assert {"CustomResourceDefinition", "DaemonSet"} <= {each["kind"] for each in yaml.safe_load_all(applied)}
    assert "fleet audit verify" in fleet("demo", "--speed", "1000")
    assert (tmp_path / "demo-fleet/report.html").is_file()


def installed(wheel: Path, folder: Path) -> Path:
    """Makes an environment with the wheel, and the dependencies of the environment of the tests. Returns its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin/python"
    site = only(folder, "lib/python*/site-packages")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
    ]
    subprocess.run([*pip, "--disable-pip-version-check", str(wheel)], check=True)
    # Behind the wheel, so that nothing but dependencies is found there; without the checkout, which is there by a hook.
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if (
            not path.name.startswith(("fleet", "__editable__", "_virtualenv", "pip"))
            and path.suffix != ".pth"
        ):
            target = site / path.name
            if not target.exists():
                target.symlink_to(path)
    return python


def test_signature_of_the_sums_is_verified_and_is_no_other_files(dist: Path, tmp_path: Path) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh-keygen (Debian: apt-get install openssh-client)")
    key, sums = tmp_path / "key", tmp_path / SUMS
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    sums.write_bytes((dist / SUMS).read_bytes())
    sign(sums, str(key))
    (tmp_path / "allowed").write_text(f"release@fleet {(tmp_path / 'key.pub').read_text()}")
    command = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        str(tmp_path / "allowed"),
        "-I",
        "release@fleet",
        "-n",
        SIGNED_AS,
    ]
    command += ["-s", str(tmp_path / f"{SUMS}.sig")]
    for content, good in ((sums.read_bytes(), True), (sums.read_bytes().replace(b"0", b"1", 1), False)):
        ran = subprocess.run(command, input=content, capture_output=True, check=False)
        assert (ran.returncode == 0) == good, ran.stderr
