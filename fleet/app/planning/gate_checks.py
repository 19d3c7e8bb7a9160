"""Measures the gates of a policy once, to find those that cannot be asked from here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from fleet.core.linting.finding import LintFinding
from fleet.core.policy.gate import AnyGate, GateVerdict, OperatorGate, SoakGate, WorkloadsGate
from fleet.core.policy.policy import Policy
from fleet.gates.answer import Measurement
from fleet.gates.measurement import measure


def unanswered_gates(policy: Policy) -> Iterator[LintFinding]:
    """Yields a finding for each gate that gives no answer now. A rollout that comes to such a gate would halt once the
    gate's time is over. Whether an answer is good is nothing to report: no rollout has brought anything about yet."""
    places = list(_places(policy))
    for (place, gate), found in zip(places, asyncio.run(_measured(places)), strict=True):
        if found.verdict is GateVerdict.UNKNOWN:
            yield LintFinding(
                "",
                "gate-unanswered",
                f"{place}, gate {gate.name}",
                f"no answer that a gate can use: {found.message}",
                "change the gate, or what it asks, until it answers from where the controller runs",
            )


def _places(policy: Policy) -> Iterator[tuple[str, AnyGate]]:
    gates = [(f"stage {stage.name}", gate) for stage in policy.stages or () for gate in stage.gates]
    gates += [(f"pool {pool.name}", gate) for pool in policy.pools for gate in pool.gates or ()]
    return (each for each in gates if not isinstance(each[1], SoakGate | OperatorGate | WorkloadsGate))


async def _measured(places: list[tuple[str, AnyGate]]) -> list[Measurement]:
    return await asyncio.gather(*(measure(gate) for _, gate in places))
