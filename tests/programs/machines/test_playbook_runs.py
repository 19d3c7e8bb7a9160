"""Playbooks that run in a process of their own, on this computer: what that process is given, loads and leaves."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleet.machines.ansible.events import AnsibleEvents
from fleet.machines.ansible.play import run_playbook


class Recorded(AnsibleEvents):
    """Keeps what the process prints, and does something at a line."""

    def __init__(self, name: str, at: Callable[[bytes], None] = lambda line: None) -> None:
        super().__init__(name, lambda happened: None, lambda percent: None)
        self.lines: list[str] = []
        self._at = at

    def see(self, line: bytes) -> None:
        self.lines.append(line.decode("utf-8", "replace"))
        self._at(line)
        super().see(line)


def here(folder: Path, tasks: str) -> tuple[Path, Path, dict[str, Any], dict[str, Any], float]:
    """Runs these tasks on this computer."""
    playbook = folder / "mine.yml"
    playbook.write_text(f"- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}")
    host = {"n-1": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
    return folder / "played", playbook, host, {"password": "hunter2"}, 300.0


DEBUG = "  - ansible.builtin.debug: {msg: done}\n"


def test_run_imports_no_daemon_and_nothing_of_fleets_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("yaml", "json", "ansible_runner"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'taken')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    account = Recorded("n-1")
    assert asyncio.run(run_playbook(*here(tmp_path, DEBUG), account)).succeeded
    imported = {found[1] for line in account.lines if (found := re.search(r"\|\s*([\w.]+)$", line.rstrip()))}
    assert "ansible_runner.interface" in imported, "what it imports is told"
    assert not {name for name in imported if name.split(".")[0] in ("daemon", "lockfile")}
    assert not (tmp_path / "taken").exists()


def test_no_module_of_fleet_imports_ansible() -> None:
    source = (
        "import importlib, pkgutil, sys, fleet\n"
        "for each in pkgutil.walk_packages(fleet.__path__, 'fleet.'):\n"
        "    if each.name not in sys.argv: importlib.import_module(each.name)\n"
        "print(*sys.modules)"
    )
    # The one that is run by itself, and two that do their work as they are imported.
    left = ("fleet.machines.ansible.run", "fleet.cli.__main__", "fleet.store.db.migrations.env")
    done = subprocess.run([sys.executable, "-c", source, *left], capture_output=True, text=True, check=False)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "fleet" in loaded, done.stderr
    assert not loaded & {"ansible", "ansible_runner", "daemon", "lockfile", "pexpect"}


def test_files_of_a_run_are_private_whatever_the_umask(tmp_path: Path) -> None:
    given = ("played/inventory/hosts.json", "played/env/extravars", "played/env/settings")
    modes: dict[str, int] = {}

    def look(line: bytes) -> None:
        if not modes:
            modes.update({each: (tmp_path / each).stat().st_mode & 0o777 for each in given})

    before = os.umask(0)
    try:
        assert asyncio.run(run_playbook(*here(tmp_path, DEBUG), Recorded("n-1", look))).succeeded
    finally:
        os.umask(before)
    assert (tmp_path / "played").stat().st_mode & 0o777 == 0o700
    assert modes == dict.fromkeys(given, 0o600)


def test_files_of_a_killed_controller_are_removed_before_the_next_run(tmp_path: Path) -> None:
    left = tmp_path / "played/artifacts/one/command"
    left.parent.mkdir(parents=True)
    left.write_text('{"env": {"TOKEN": "hunter2"}}')
    seen: list[bool] = []
    assert asyncio.run(
        run_playbook(*here(tmp_path, DEBUG), Recorded("n-1", lambda line: seen.append(left.exists())))
    ).succeeded
    assert seen and not any(seen)


def test_cancelled_run_leaves_nothing_running(tmp_path: Path) -> None:
    """Not the command either that the playbook has begun, in a session of its own."""
    pipe = tmp_path / "alive"
    os.mkfifo(pipe)
    sleep = f"  - ansible.builtin.shell: exec setsid sh -c 'exec 9>{pipe}; echo >&9; exec sleep 600'\n"

    def begun() -> bool:
        try:
            return os.read(reader, 1) != b""
        except BlockingIOError:
            return False

    async def story() -> None:
        task = asyncio.create_task(run_playbook(*here(tmp_path, sleep), Recorded("n-1")))
        while not begun():
            assert not task.done()
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        os.set_blocking(reader, True)
        assert os.read(reader, 1) == b"", "nobody holds it any more"

    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        asyncio.run(story())
    finally:
        os.close(reader)
