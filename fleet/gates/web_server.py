"""Measures a gate by the answer of a web server."""

from __future__ import annotations

from fleet.core.policy.gate import GateVerdict, HttpGate
from fleet.gates.answer import Measurement
from fleet.system.web import NoAnswerError, ask


async def measure(gate: HttpGate) -> Measurement:
    """Returns good if the server answers with the status, and the answer contains the text. A server that cannot be
    reached gives no answer."""
    try:
        answer = await ask("GET", gate.url)
    except NoAnswerError as error:
        return Measurement(GateVerdict.UNKNOWN, str(error))
    if answer.status != gate.status:
        return Measurement(GateVerdict.BAD, f"status {answer.status}, wanted {gate.status}")
    if gate.contains and gate.contains.encode() not in answer.body:
        return Measurement(
            GateVerdict.BAD, f"status {answer.status}, but the answer does not contain {gate.contains!r}"
        )
    return Measurement(GateVerdict.GOOD, f"status {answer.status}")
