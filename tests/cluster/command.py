"""The command `fleet` as a user runs it: a process, its exit code, what it prints."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

SECONDS = 300


class Fleet:
    """Works on a home of its own."""

    def __init__(self, home: Path, environ: Mapping[str, str] | None = None) -> None:
        """`environ`: what is other than here."""
        self.home = home
        self._more = dict(environ or {})
        home.mkdir(parents=True, exist_ok=True)
        (home / "background.log").touch()

    def run(self, *arguments: str, code: int = 0, seconds: float = SECONDS) -> str:
        """Returns what the command printed on stdout, or why it refused. Fails for any other exit code, with the
        output."""
        done = subprocess.run(
            [sys.executable, "-m", "fleet.cli", "--home", str(self.home), *arguments],
            capture_output=True,
            text=True,
            timeout=seconds,
            env=self._environ(),
            check=False,
        )
        assert done.returncode == code, (
            f"fleet {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout if code in (0, 4) else done.stderr or done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "-o", "json"))

    @contextmanager
    def background(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """The command as a process, killed at the end if it still runs."""
        with (self.home / "background.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "fleet.cli", "--home", str(self.home), *arguments],
                stdout=log,
                stderr=log,
                env=self._environ(),
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(30)

    @property
    def output(self) -> str:
        """By background processes."""
        return (self.home / "background.log").read_text(errors="replace")[-4000:]

    def entries(self) -> int:
        """How far the journal has come; looked at from outside of `fleet`."""
        with closing(sqlite3.connect(f"file:{self.home / 'fleet.db'}?mode=ro", uri=True)) as database:
            return int(database.execute("select count(*) from journal").fetchone()[0])

    def _environ(self) -> dict[str, str]:
        return {**os.environ, "COLUMNS": "80", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", **self._more}
