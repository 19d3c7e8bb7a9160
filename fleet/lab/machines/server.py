"""Serves the machines' releases, as a process: `python -m fleet.lab.machines.server ADDRESS PORT FOLDER HOLD`.

While the file HOLD exists no file's content is sent, so that a download stops halfway.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from fleet.lab.machines.computer import tied

CONTENT = ".filez"
"""The suffix of OSTree's objects that are files; all others list files."""
_POLL_SECONDS = 0.05


class Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: object, hold: Path, directory: str) -> None:
        self._hold = hold
        super().__init__(*args, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        while self.path.endswith(CONTENT) and self._hold.exists():
            time.sleep(_POLL_SECONDS)  # noqa: TID251 - between two looks at the condition
        super().do_GET()


def main(address: str, port: int, folder: str, hold: str) -> None:
    """Serves the files of a folder by HTTP until the process is ended."""
    tied.tie()
    handler = partial(Handler, hold=Path(hold), directory=folder)
    with ThreadingHTTPServer((address, port), handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
