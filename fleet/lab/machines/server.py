"""Serves the machines' releases, as a process: `python -m fleet.lab.machines.server ADDRESS PORT FOLDER`."""

from __future__ import annotations

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from fleet.lab.machines import tied


def main(address: str, port: int, folder: str) -> None:
    """Answers GET with the files of a folder until it is ended."""
    tied.tie()
    with ThreadingHTTPServer((address, port), partial(SimpleHTTPRequestHandler, directory=folder)) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
