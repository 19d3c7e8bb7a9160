"""How the lab's programs are built, with a small program in the place of Go that writes down how it is called."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from fleet.lab import LabError, build

GO = """#!/bin/sh
if [ "$1" = env ]; then {env}; fi
echo "$PWD" >> {calls}
echo "$@" >> {calls}.words
while [ "$1" != -o ]; do shift; done
{compile}
"""
ENV = "printf 'go1.99.0\\nplan9\\nmips\\n'; exit 0"
COMPILE = 'sleep 0.3; echo example.com/package >&2; echo binary > "$2"'


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls"


def install_go(folder: Path, calls: Path, *, env: str = ENV, compile_: str = COMPILE) -> str:
    """A `go` in `folder`; the search path that finds it."""
    folder.mkdir(exist_ok=True)
    script = folder / "go"
    script.write_text(GO.format(env=env, calls=calls, compile=compile_))
    script.chmod(0o755)
    return str(folder)


def build_quietly(cache: Path, search_path: str) -> None:
    build.build(lambda line: None, cache, search_path)


def test_missing_go_is_reported_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no `go` on PATH") as raised:
        build.build(print, tmp_path / "cache", str(tmp_path))
    assert "go.dev" in raised.value.hint
    assert not (tmp_path / "cache").exists()


def test_go_version_that_is_too_old_is_reported(tmp_path: Path, calls: Path) -> None:
    arguments = "go: go.mod requires go >= 1.26.0 (running go 1.20; GOTOOLCHAIN=local)"
    path = install_go(tmp_path / "bin", calls, env=f"echo '{arguments}' >&2; exit 1")
    with pytest.raises(LabError, match=r"requires go >= 1\.26\.0") as raised:
        build.find_toolchain(path)
    assert "install Go" in raised.value.hint


def test_concurrent_builders_build_once(tmp_path: Path, calls: Path) -> None:
    path = install_go(tmp_path / "bin", calls)
    cache = tmp_path / "cache"
    builders = [multiprocessing.Process(target=build_quietly, args=(cache, path)) for _ in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join(30)
    assert [builder.exitcode for builder in builders] == [0, 0]
    assert [Path(line).name for line in calls.read_text().splitlines()] == ["controlplane", "kwok"]
    built = build.build(print, cache, path)
    assert built.kwok.read_text() == "binary\n"
    assert len(calls.read_text().splitlines()) == 2
    assert [folder.name for folder in cache.iterdir() if folder.is_dir()] == [built.kwok.parent.name]


def test_each_release_is_built_from_its_own_modules(tmp_path: Path, calls: Path) -> None:
    path, cache = install_go(tmp_path / "bin", calls), tmp_path / "cache"
    usual = build.build(print, cache, path)
    newer = build.build(print, cache, path, "1.37")
    assert usual.controlplane != newer.controlplane and newer.controlplane.exists()
    arguments = Path(f"{calls}.words").read_text().splitlines()
    reported = [build.VERSIONS["1.37"].kubernetes in line and "-modfile=" in line for line in arguments]
    assert reported == [False, False, True, False], "kwok is the same"
    with pytest.raises(LabError, match=r"no Kubernetes 1\.2"):
        build.build(print, cache, path, "1.2")


def test_modules_of_each_release_have_the_declared_versions() -> None:
    for version in build.VERSIONS.values():
        modules = version.modules or build.SOURCES / "controlplane" / "go.mod"
        assert f"k8s.io/kubernetes {version.kubernetes}\n" in modules.read_text()
        hashes = modules.with_suffix(".sum").read_text()
        assert f"k8s.io/kubernetes {version.kubernetes} h1:" in hashes


def test_failed_build_reports_the_compilers_output_and_leaves_nothing(tmp_path: Path, calls: Path) -> None:
    path = install_go(tmp_path / "bin", calls, compile_="echo './main.go:1:1: syntax error' >&2; exit 1")
    with pytest.raises(LabError, match="syntax error"):
        build.build(print, tmp_path / "cache", path)
    assert [found for found in (tmp_path / "cache").iterdir() if found.is_dir()] == []


def test_builds_of_different_go_versions_are_kept_apart(tmp_path: Path, calls: Path) -> None:
    first = build.find_toolchain(install_go(tmp_path / "a", calls))
    newer = ENV.replace("1.99.0", "1.99.1")
    second = build.find_toolchain(install_go(tmp_path / "b", calls, env=newer))
    assert build.version_key(first) != build.version_key(second)
