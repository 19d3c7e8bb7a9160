"""Warnings about gates and hooks: a plan cannot know when they pass."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import PlanWarning
from fleet.core.policy.gate import AnyGate, OperatorGate, SoakGate
from fleet.core.policy.hooks.hook import HookMoment
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


def hooks_never_measured(
    policy: Policy, pools: Collection[str], times: DurationEstimates
) -> Iterator[PlanWarning]:
    """Yields a warning about the hooks of the pools, the stages and the rollout whose length nobody knows."""
    owners = [policy.hooks, *(stage.hooks for stage in policy.stages or ())]
    moments = (
        (HookMoment.BEFORE_ROLLOUT, HookMoment.AFTER_ROLLOUT),
        (HookMoment.BEFORE_STAGE, HookMoment.AFTER_STAGE),
    )
    placed = [(owner, moments[index > 0]) for index, owner in enumerate(owners)]
    of_node = (HookMoment.BEFORE_NODE, HookMoment.AFTER_NODE)
    placed += [(pool.hooks, of_node) for pool in policy.pools if pool.name in pools]
    names = {
        hook.name
        for hooks, both in placed
        if hooks
        for moment in both
        for hook in hooks.at(moment)
        if (moment, hook.name) not in times.hooks
    }
    if names:
        yield PlanWarning(
            "hook-unmeasured",
            "",
            _named(sorted(names), "hook"),
            "nobody knows how long they take: the plan counts their whole timeout, and expects them to pass",
            "after three rollouts the plan expects what was measured; a shorter timeout makes it end sooner",
        )


def _named(names: list[str], noun: str = "gate") -> str:
    return f"{noun} {names[0]}" if len(names) == 1 else f"{noun}s {', '.join(names)}"
