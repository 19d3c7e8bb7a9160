"""Measures a gate by a query of Prometheus.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
from msgspec import Struct

from fleet.core.policy.gate import GateVerdict, PrometheusGate
from fleet.gates.answer import Measurement
from fleet.system.web import Credentials, NoAnswerError, ask, decoded


class Data(Struct):
    resultType: str
    result: msgspec.Raw


class QueryAnswer(Struct):
    status: str
    data: Data | None = None
    error: str = ""
    warnings: list[str] = []


class Sample(Struct):
    value: tuple[Any, str]
    metric: dict[str, str] = {}


async def measure(gate: PrometheusGate) -> Measurement:
    """Returns good if every value of the result is inside the bounds, and unknown if there is none: no data is no pass."""
    try:
        url = f"{gate.url.rstrip('/')}/api/v1/query"
        answer = await ask("GET", url, [("query", gate.query)], Credentials(gate.token_file))
        found = decoded(answer.body, QueryAnswer)
        if found.status != "success" or found.data is None:
            raise NoAnswerError(found.error or f"status {answer.status}")
        if found.warnings:
            raise NoAnswerError(f"the result is not whole: {found.warnings[0]}")
        samples = _samples(found.data)
    except NoAnswerError as error:
        return Measurement(GateVerdict.UNKNOWN, str(error))
    return judge(gate, samples)


def judge(gate: PrometheusGate, samples: list[tuple[str, float]]) -> Measurement:
    """Returns what the values say, each with its labels as text."""
    if not samples:
        return Measurement(GateVerdict.UNKNOWN, "the query has no data")
    for labels, value in samples:
        if math.isnan(value):
            return Measurement(GateVerdict.UNKNOWN, f"{labels}the value is not a number (NaN)")
    bounds = " and ".join(
        [
            *(["above " + _number(gate.above)] if gate.above is not None else []),
            *(["below " + _number(gate.below)] if gate.below is not None else []),
        ]
    )
    outside = [(labels, value) for labels, value in samples if not _inside(gate, value)]
    labels, value = outside[0] if outside else max(samples, key=lambda sample: sample[1])
    more = f", and {len(outside) - 1} more" if len(outside) > 1 else ""
    verdict = GateVerdict.BAD if outside else GateVerdict.GOOD
    return Measurement(verdict, f"{labels}{_number(value)}, wanted {bounds}{more}")


def _inside(gate: PrometheusGate, value: float) -> bool:
    return (gate.below is None or value < gate.below) and (gate.above is None or value > gate.above)


def _samples(data: Data) -> list[tuple[str, float]]:
    """Returns the values of a vector or a scalar. Raises NoAnswerError for other results."""
    match data.resultType:
        case "vector":
            samples = decoded(bytes(data.result), list[Sample])
        case "scalar":
            samples = [Sample(decoded(bytes(data.result), tuple[Any, str]))]
        case other:
            raise NoAnswerError(f"the query gives a {other}, wanted a vector or a scalar")
    try:
        return [(_labels(each.metric), float(each.value[1])) for each in samples]
    except ValueError as error:
        raise NoAnswerError(f"a value is not a number: {error}") from error


def _labels(metric: dict[str, str]) -> str:
    pairs = ", ".join(f'{name}="{value}"' for name, value in sorted(metric.items()))
    return f"{{{pairs}}} " if pairs else ""


def _number(value: float) -> str:
    return f"{value:.6g}"
