"""A file of tests that leaves a child process behind fails, and is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
FILE = """
import os, subprocess, sys
from tests.children import no_child_process_is_left_behind

def test_with_a_child():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    {end}

def test_with_a_child_that_has_ended():
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {{}})
    os.waitid(os.P_PID, pid, os.WEXITED | {options})
"""


def run(
    folder: Path, end: str = "child.communicate(b'1')", options: str = "0"
) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(FILE.format(end=end, options=options))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        "test_it.py",
    ]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )


def test_file_that_waits_for_its_children_passes(tmp_path: Path) -> None:
    assert run(tmp_path).returncode == 0


def test_file_that_leaves_a_running_child_fails_and_is_named(tmp_path: Path) -> None:
    found = run(tmp_path, end="pass")
    assert found.returncode == 1
    assert "test_it.py leaves child processes behind" in found.stdout and "-c input()" in found.stdout


def test_file_that_has_not_waited_for_a_child_fails_and_is_named(tmp_path: Path) -> None:
    found = run(tmp_path, options="os.WNOWAIT")
    assert found.returncode == 1
    assert "test_it.py leaves child processes behind" in found.stdout and "nobody waited" in found.stdout
