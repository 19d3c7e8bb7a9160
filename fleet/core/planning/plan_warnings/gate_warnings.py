"""Warnings about gates: a plan cannot know when they pass."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from fleet.core.planning.plan import PlanWarning
from fleet.core.policy.gate import AnyGate, OperatorGate, SoakGate
from fleet.core.policy.policy import Policy


def gates_pass_in_the_plan(policy: Policy, pools: Collection[str]) -> Iterator[PlanWarning]:
    """Yields a warning about the gates of the pools and of the stages whose answers the plan assumes to be good."""
    gates: list[AnyGate] = [gate for stage in policy.stages or () for gate in stage.gates]
    gates += [gate for pool in policy.pools if pool.name in pools for gate in pool.gates or ()]
    operators = sorted({gate.name for gate in gates if isinstance(gate, OperatorGate)})
    measured = sorted({gate.name for gate in gates if not isinstance(gate, OperatorGate | SoakGate)})
    if operators:
        yield PlanWarning(
            "gate-operator",
            "",
            _named(operators),
            "the rollout waits here for an operator, and the plan counts no time for that",
            "fleet rollout pass ROLLOUT GATE lets it go on; fleet rollout status says when it waits",
        )
    if measured:
        yield PlanWarning(
            "gate-measured",
            "",
            _named(measured),
            "the plan expects every measurement to be good; a gate that fails halts the rollout",
            "fleet lint measures each gate once",
        )


def _named(gates: list[str]) -> str:
    return f"gate {gates[0]}" if len(gates) == 1 else f"gates {', '.join(gates)}"
