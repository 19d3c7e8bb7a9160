"""`fleet status --watch` as a program, on a terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from fleet.app.wiring.refresh import refresh
from tests.unit.app.homes import a_home


def watching(home: Path, out: int) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-m", "fleet.cli", "--home", str(home), "status", "--watch"]
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "30"}
    return subprocess.Popen(arguments, stdout=out, stderr=subprocess.PIPE, env=environ)


def read_until(source: int, enough: Callable[[str], bool]) -> str:
    """At most a minute; what was read then."""
    found = ""
    while not enough(found) and select.select([source], [], [], 60)[0]:
        try:
            found += os.read(source, 65536).decode()
        except OSError:
            break
    return found


def test_watched_status_reprints_what_has_changed(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    refresh(home)
    for make in (pty.openpty, os.pipe):
        home.policy_file.write_text(home.policy_file.read_text().replace("name: helpers", "name: workers"))
        source, out = make()
        process = watching(home.path, out)
        os.close(out)
        try:
            first = read_until(source, lambda found: "workers" in found)
            assert "workers" in first
            home.policy_file.write_text(
                home.policy_file.read_text().replace("name: workers", "name: helpers")
            )
            after = read_until(source, lambda found: "helpers" in found)
            assert "helpers" in after and "Traceback" not in first + after
        finally:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
            os.close(source)
        assert process.returncode == 130, errors
