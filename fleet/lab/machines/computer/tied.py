"""Ends a helper process of the lab when the process that started it ends, for whatever reason."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable


def tie(last: Callable[[], None] = lambda: None) -> None:
    """Calls `last` and kills this process when standard input, a pipe, ends. Does so only with FLEET_LAB_TIED in the
    environment."""
    if os.environ.get("FLEET_LAB_TIED"):
        threading.Thread(target=_die_with_starter, args=(last,), daemon=True).start()


def _die_with_starter(last: Callable[[], None]) -> None:
    while os.read(0, 4096):  # not sys.stdin: its lock would be held when this process ends
        pass
    last()
    os.kill(os.getpid(), signal.SIGKILL)
