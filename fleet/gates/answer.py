"""The result of one measurement of a gate."""

from __future__ import annotations

from typing import NamedTuple

from fleet.core.policy.gate import GateVerdict


class Measurement(NamedTuple):
    verdict: GateVerdict
    message: str
