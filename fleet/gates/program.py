"""Measures a gate by the exit code of a program on the controller's machine."""

from __future__ import annotations

import os

from fleet.core.policy.gate import CommandGate, GateVerdict
from fleet.core.text.environment import for_others
from fleet.gates.answer import Measurement
from fleet.system.programs import LateError, last, run

SECONDS = 30.0
"""A program that takes longer is killed, with the programs that it has started."""
KEPT = 300
"""The end of each output that is kept, in bytes."""


async def measure(gate: CommandGate) -> Measurement:
    """Returns good for exit code 0 and bad for 1; anything else is no answer, like a program that cannot be started.
    The message has the last line that the program wrote: of its errors, where it failed and wrote any."""
    try:
        ended = await run(gate.command, for_others(os.environ), SECONDS, last(KEPT))
    except LateError:
        return Measurement(GateVerdict.UNKNOWN, f"{gate.command[0]} took longer than {SECONDS:.0f} s")
    except OSError as error:
        return Measurement(GateVerdict.UNKNOWN, f"{gate.command[0]}: {error.strerror}")
    errors, output = (kept.decode(errors="replace").strip() for kept in (ended.err, ended.out))
    written = (errors or output) if ended.code else (output or errors)
    line = written.rpartition("\n")[2]
    message = f"exit code {ended.code}" + (f": {line}" if line else "")
    verdict = {0: GateVerdict.GOOD, 1: GateVerdict.BAD}.get(ended.code, GateVerdict.UNKNOWN)
    return Measurement(verdict, message)
