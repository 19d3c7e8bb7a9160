"""Tracks how far a gate of a rollout is. A gate stands at a point of the rollout: behind a pool's canaries, or behind
a stage."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from fleet.core.policy.gate import AnyGate, GateVerdict
from fleet.core.policy.policy import Policy

POOL = "pool"
STAGE = "stage"


class GatePoint(Struct, frozen=True, order=True, gc=False):
    """A point of a rollout that has gates."""

    of: str
    """`pool`: behind the canaries of the pool `name`. `stage`: behind the stage `name`."""
    name: str

    def __str__(self) -> str:
        return f"the canaries of pool {self.name}" if self.of == POOL else f"stage {self.name}"

    def gates(self, policy: Policy) -> tuple[AnyGate, ...]:
        """Returns the gates that the policy has at this point."""
        if self.of == POOL:
            pool = policy.pool(self.name)
            return (pool.gates or ()) if pool is not None else ()
        return next((stage.gates for stage in policy.stages or () if stage.name == self.name), ())


class GateState(Struct, frozen=True):
    """The state of one gate since the rollout reached it, read from the journal."""

    reached: datetime
    verdict: GateVerdict | None = None
    """The verdict of the last measurement that the journal has; it has those that differ from the one before."""
    message: str = ""
    passed: bool = False
    failed: bool = False

    @property
    def open(self) -> bool:
        """Returns whether the gate has neither passed nor failed."""
        return not (self.passed or self.failed)
