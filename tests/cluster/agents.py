"""The process that simulates the agents of all fake nodes of a lab."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fleet.lab import Lab


@contextmanager
def agents(lab: Lab) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "fleet.lab.fake_nodes.agents", str(lab.kubeconfig)])
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
