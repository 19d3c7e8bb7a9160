"""Measures a gate of any kind once, and answers the engine's questions."""

from __future__ import annotations

from fleet.core.engine.gate_questions import GateAnswer, GateQuestion
from fleet.core.policy.gate import (
    AlertsGate,
    AnyGate,
    CommandGate,
    GateVerdict,
    HttpGate,
    PrometheusGate,
)
from fleet.core.text.visible import visible
from fleet.gates import alertmanager, program, prometheus, web_server
from fleet.gates.answer import Measurement

MOST = 300
"""The longest message in characters: a server may answer anything."""


async def answer(question: GateQuestion) -> GateAnswer:
    """Returns the answer to a question, within about half a minute. Whatever goes wrong is an answer: unknown."""
    found = await measure(question.gate)
    message = visible(found.message)
    short = message if len(message) <= MOST else f"{message[: MOST - 1]}…"
    return GateAnswer(question.rollout, question.point, question.gate.name, found.verdict, short)


async def measure(gate: AnyGate) -> Measurement:
    """Measures the gate once."""
    match gate:
        case PrometheusGate():
            return await prometheus.measure(gate)
        case AlertsGate():
            return await alertmanager.measure(gate)
        case HttpGate():
            return await web_server.measure(gate)
        case CommandGate():
            return await program.measure(gate)
        case _:
            return Measurement(
                GateVerdict.UNKNOWN, f"a gate of the kind {type(gate).__name__} is not measured"
            )
