"""A long command on a machine, which runs under the machine's systemd, in a unit named by a token.

So the command outlives the process that started it (an agent that restarts, a connection that breaks), and is found
again by its name. Its state and output are in /run, like the unit itself, and are lost with a reboot.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence

from fleet.machines.errors import MachineError
from fleet.machines.host import BOOT_ID, CommandResult, Host, LostError, checked, read_end, read_line
from fleet.machines.progress import ReportPercent

FOLDER = "/run/fleet"
LOOK = 1.0
"""Seconds between two checks of a job."""
Percent = Callable[[str], int | None]
"""A function that returns the progress of a job, 0 to 100, from its output so far; None where the output does not show
it."""

_PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result", "ExecMainCode", "ExecMainStatus")

_STATUS = re.compile(r"[0-9]{1,3}")


def unit_of(token: str) -> str:
    """Returns the unit's name, a hash of the token: tokens have characters that unit names cannot have."""
    return f"fleet-{hashlib.sha256(token.encode()).hexdigest()[:20]}.service"


async def finish(
    host: Host,
    token: str,
    argv: Sequence[str],
    progress: ReportPercent | None = None,
    percent: Percent = lambda _: None,
    look: float = LOOK,
) -> CommandResult:
    """Starts the job of this token, or finds it again, waits for its end, and removes the unit and the files of the
    job.

    The caller limits the time by cancelling; the job then goes on. Raises as `Host.run` does, and LostError also where
    the machine rebooted and the job is lost, which a new connection alone does not show.
    """
    unit = unit_of(token)
    boot = await read_line(host, BOOT_ID)
    state = await _state(host, unit)
    if _is_gone(state):
        await _begin(host, unit, token, argv)
        state = await _state(host, unit)
    while _runs(state):
        if progress is not None:
            known = percent(await read_end(host, f"{FOLDER}/{unit}.out"))
            if known is not None:
                progress(max(0, min(100, known)))
        await asyncio.sleep(look)
        state = await _state(host, unit)
    if _is_gone(state):
        if await read_line(host, BOOT_ID) != boot:
            raise LostError(f"the machine has rebooted while {argv[0]} ran")
        return CommandResult(tuple(argv), 1, stderr=f"{unit} was stopped before it had ended")
    return await _ended(host, unit, argv, state)


def _is_gone(state: Mapping[str, str]) -> bool:
    """Returns whether systemd does not know the unit, or no longer knows it."""
    return state["LoadState"] == "not-found" or state["ActiveState"] == "inactive"


def _runs(state: Mapping[str, str]) -> bool:
    return state["ActiveState"] in ("activating", "deactivating", "reloading") or (
        state["ActiveState"] == "active" and state["SubState"] != "exited"
    )


async def _begin(host: Host, unit: str, token: str, argv: Sequence[str]) -> None:
    await checked(host, ("mkdir", "-p", "-m", "0700", FOLDER))
    output = (
        f"--property=StandardOutput=file:{FOLDER}/{unit}.out",
        f"--property=StandardError=file:{FOLDER}/{unit}.err",
    )
    start = ("systemd-run", "--quiet", f"--unit={unit}", f"--description=fleet {token}")
    # systemd expands variables in a unit's command itself; a doubled dollar sign stands for one.
    escaped = [argument.replace("$", "$$") for argument in argv]
    await checked(host, (*start, "--property=RemainAfterExit=yes", *output, "--", *escaped))


async def _state(host: Host, unit: str) -> dict[str, str]:
    shows = [f"--property={name}" for name in _PROPERTIES]
    return parse_state(await checked(host, ("systemctl", "show", unit, *shows)))


def parse_state(text: str) -> dict[str, str]:
    """Parses `systemctl show`. Raises MachineError where a property is missing."""
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    missing = [name for name in _PROPERTIES if name not in found and not name.startswith("ExecMain")]
    if missing:
        raise MachineError(f"systemctl show has no {', '.join(missing)}: {text[:300]!r}")
    return found


async def _ended(host: Host, unit: str, argv: Sequence[str], state: Mapping[str, str]) -> CommandResult:
    out = await read_end(host, f"{FOLDER}/{unit}.out")
    err = await read_end(host, f"{FOLDER}/{unit}.err")
    # systemd counts a command that SIGTERM killed as a success; fleet does not.
    killed = state.get("ExecMainCode") not in ("1", None)
    good = state["ActiveState"] == "active" and not killed
    status = state.get("ExecMainStatus", "")
    code = 0 if good else int(status if _STATUS.fullmatch(status) else 1) or 1
    if killed:
        code, err = -code, f"{err.rstrip()}\nended by systemd: {state['Result']}".lstrip()
    forget = f'systemctl stop "$1"; systemctl reset-failed "$1"; rm -f "{FOLDER}/$1.out" "{FOLDER}/$1.err"'
    await host.run(("sh", "-c", forget, "sh", unit))
    return CommandResult(tuple(argv), code, out, err)
