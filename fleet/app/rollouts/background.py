"""Ensures that a controller is at work on this home: if there is none, one is started in the background."""

from __future__ import annotations

import os
import subprocess
import sys

from fleet.app.wiring.home import Home
from fleet.core.records.errors import FleetError
from fleet.drivers.identity import abandoned
from fleet.system.clock import WallClock

TRIES = 100
TRY_SECONDS = 0.1
TAIL = 5
"""Lines of the log that show why a controller did not start."""


def controller_of(home: Home) -> str:
    """Returns the identity of the controller that leads; empty where none is known to lead."""
    holder = home.store.lease.current(WallClock().now())
    return "" if holder is None or abandoned(holder) else holder


def ensure_controller(home: Home) -> str:
    """Starts a controller where none leads, and returns a message about it; empty where one leads already.

    The new controller is detached, so that Ctrl-C here does not reach it, and ends when nothing is left to do. Its
    output goes to `controller.log`. Raises FleetError with the end of that log if the controller did not come up.
    """
    if controller_of(home):
        return ""
    with home.log.open("ab") as log:
        begun = log.tell()
        # Without -P Python takes modules from the current folder first, which any user may have put there.
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "fleet.cli", "--home", str(home.path), "run", "--until-idle"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "FLEET_DATABASE": home.database},
        )
    for _ in range(TRIES):
        if controller_of(home):
            return f"No controller was running: one runs in the background now, until all is done.\n  -> {home.log}"
        try:
            code = child.wait(TRY_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        if code == 0:
            return f"A controller has done what was left to do.\n  -> {home.log}"
        raise FleetError(
            "\n  ".join(["the controller did not start:", *_end(home, begun)]),
            f"your command is in the journal: fleet run carries it out ({home.log})",
        )
    raise FleetError("no controller took the lead in time", f"see {home.log}; fleet run starts one here")


def _end(home: Home, begun: int) -> list[str]:
    """Returns the last lines that the controller wrote."""
    with home.log.open("rb") as log:
        log.seek(begun)
        return log.read().decode(errors="replace").splitlines()[-TAIL:]
