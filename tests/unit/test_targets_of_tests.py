"""No test is forgotten: each file of tests is run by a target of the Makefile, and by one alone of those that CI runs."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = {str(each.relative_to(ROOT)) for each in (ROOT / "tests").rglob("test_*.py")}
OF_CI = ("test", "test-real")
BY_HAND = ("machines-test", "qemu", "image-test")


def files_of(target: str) -> list[str]:
    """The files that pytest would run; tests of a file that are named alone are `file::test`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    reported = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    ).stdout
    named = [
        word
        for line in reported.splitlines()
        if "-m pytest" in line
        for word in re.findall(r"tests/\S*", line)
    ]
    assert named
    return [
        file for path in named for file in ([path] if "::" in path else sorted(FILES & {path} or under(path)))
    ]


def under(folder: str) -> set[str]:
    return {each for each in FILES if each.startswith(f"{folder}/")}


def test_every_file_is_run_by_a_target() -> None:
    run = {file.partition("::")[0] for target in (*OF_CI, *BY_HAND) for file in files_of(target)}
    assert run == FILES


def test_ci_runs_no_test_twice() -> None:
    assert [
        name
        for name, count in Counter(each for target in OF_CI for each in files_of(target)).items()
        if count > 1
    ] == []


@pytest.mark.parametrize("target", OF_CI)
def test_files_of_a_target_exist(target: str) -> None:
    assert {file.partition("::")[0] for file in files_of(target)} <= FILES


def test_make_test_runs_all_of_make_check() -> None:
    assert set(files_of("check")) <= set(files_of("test"))
