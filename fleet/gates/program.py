"""Measures a gate by the exit code of a program on the controller's machine."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from fleet.core.policy.gate import CommandGate, GateVerdict
from fleet.gates.answer import Measurement

SECONDS = 30.0
"""A program that takes longer is killed, with the programs that it has started."""
KEPT = 300
"""The end of the output that is kept, in bytes."""


async def measure(gate: CommandGate) -> Measurement:
    """Returns good for exit code 0 and bad for 1; anything else is no answer, like a program that cannot be started."""
    try:
        process = await asyncio.create_subprocess_exec(
            *gate.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return Measurement(GateVerdict.UNKNOWN, f"{gate.command[0]}: {error.strerror}")
    try:
        output = await asyncio.wait_for(_end_of_output(process), SECONDS)
        code = await asyncio.wait_for(process.wait(), SECONDS)
    except TimeoutError:
        return Measurement(GateVerdict.UNKNOWN, f"{gate.command[0]} took longer than {SECONDS:.0f} s")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    last = output.decode(errors="replace").strip().rpartition("\n")[2]
    message = f"exit code {code}" + (f": {last}" if last else "")
    verdict = {0: GateVerdict.GOOD, 1: GateVerdict.BAD}.get(code, GateVerdict.UNKNOWN)
    return Measurement(verdict, message)


async def _end_of_output(process: asyncio.subprocess.Process) -> bytes:
    """Returns the last bytes of what the program writes, until it closes its output."""
    assert process.stdout is not None
    kept = b""
    while chunk := await process.stdout.read(1 << 16):
        kept = (kept + chunk)[-KEPT:]
    return kept
