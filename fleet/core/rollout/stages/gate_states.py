"""The gates that a rollout has reached. Their states are a fold over the journal's records."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from fleet.core.policy.policy import Policy
from fleet.core.rollout.commands import GateOverruled
from fleet.core.rollout.decisions import GateFailed, GateMeasured, GatePassed, GateReached, WorkloadsNoted
from fleet.core.rollout.stages.gate_state import GatePoint, GateState

GateRecord = GateReached | WorkloadsNoted | GateMeasured | GatePassed | GateFailed | GateOverruled


class GateStates(dict[tuple[GatePoint, str], GateState]):
    """The state of each gate, by its point and name."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: dict[tuple[GatePoint, str], WorkloadsNoted] = {}
        """How ready the workloads were before the nodes of a point began, by point and cluster."""

    def apply(self, record: GateRecord, at: datetime, policy: Policy) -> None:
        """Changes the states according to one record of the journal."""
        match record:
            case GateReached():
                for gate in record.point.gates(policy):
                    self.setdefault((record.point, gate.name), GateState(reached=at))
            case WorkloadsNoted():
                self.noted[record.point, record.cluster] = record
            case GateMeasured():
                self._change(record, at, verdict=record.verdict, message=record.message)
            case GatePassed():
                self._change(record, at, passed=True, message=record.why)
            case GateFailed():
                self._change(record, at, failed=True, message=record.why)
            case GateOverruled():
                self._change(record, at, passed=True, message=record.reason)

    def forget_failed(self) -> None:
        """Forgets the gates that have failed, so that they are asked anew."""
        for key in [key for key, state in self.items() if state.failed]:
            del self[key]

    @property
    def failed(self) -> bool:
        """Returns whether a gate has failed since the rollout was last resumed."""
        return any(state.failed for state in self.values())

    def _change(
        self, record: GateMeasured | GatePassed | GateFailed | GateOverruled, at: datetime, **changes: object
    ) -> None:
        key = (record.point, record.gate)
        self[key] = replace(self.get(key, GateState(reached=at)), **changes)
