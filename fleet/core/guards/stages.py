"""Holds the nodes of a stage until the stages before it have ended and the gates behind those have passed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from fleet.core.policy.gate import AnyGate, OperatorGate, SoakGate
from fleet.core.policy.hooks.hook import HookMoment
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.hooks import hook_holds
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.stages.gate_state import POOL, STAGE, GatePoint, GateState


def held(rollout: Rollout, run: Run) -> Held | None:
    """Returns what holds the nodes of the run's stage and site, or None."""
    progress = rollout.stages
    if progress is None:
        return None
    index = progress.index(run.node)
    for before in range(index):
        if progress.open[before]:
            name = progress.stages[before].name
            return Held(Reason.STAGE, name, {"open": progress.open[before]})
    for before in range(index):
        stage = progress.stages[before]
        if progress.size[before] and (hook := hook_holds.of_stage(rollout, before, HookMoment.AFTER_STAGE)):
            return hook
        if progress.size[before] and (gate := open_gate(rollout, GatePoint(STAGE, stage.name), stage.gates)):
            return gate
    return hook_holds.of_stage(rollout, index, HookMoment.BEFORE_STAGE) or _site(rollout, run, index)


def pool_gate(rollout: Rollout, pool: str) -> Held | None:
    """Returns the first gate behind the canaries of the pool that has not passed, or None."""
    rule = rollout.policy.pool(pool)
    return open_gate(rollout, GatePoint(POOL, pool), rule.gates) if rule is not None and rule.gates else None


def open_gate(rollout: Rollout, point: GatePoint, gates: Sequence[AnyGate]) -> Held | None:
    """Returns the first gate of the point that has not passed, or None."""
    for gate in gates:
        state = rollout.gates.get((point, gate.name))
        if state is not None and state.passed:
            continue
        reason = Reason.OPERATOR_GATE if isinstance(gate, OperatorGate) else Reason.GATE
        facts: dict[str, str | int] = {
            "rollout": rollout.id,
            "of": point.of,
            "name": point.name,
            "point": str(point),
            "state": _state(gate, state),
        }
        return Held(reason, gate.name, facts)
    return None


def _state(gate: AnyGate, state: GateState | None) -> str:
    if state is None:
        return "not asked yet"
    if isinstance(gate, SoakGate):
        return f"soaks until {state.reached + timedelta(seconds=gate.for_seconds):%Y-%m-%d %H:%M} UTC"
    if state.verdict is None:
        return "no answer yet"
    return f"{state.verdict}: {state.message}" if state.message else str(state.verdict)


def _site(rollout: Rollout, run: Run, index: int) -> Held | None:
    """Returns that as many sites of the stage are in work as may be at once, or None."""
    progress = rollout.stages
    if progress is None or index >= len(progress.stages) or run.goal.canary:
        return None
    most = progress.stages[index].sites_at_once
    if most is None:
        return None
    in_work = progress.sites_in_work(index)
    if run.goal.site in in_work or len(in_work) < most:
        return None
    facts: dict[str, str | int] = {"limit": most, "sites": ", ".join(in_work), "site": run.goal.site}
    return Held(Reason.STAGE_SITES, progress.stages[index].name, facts)
