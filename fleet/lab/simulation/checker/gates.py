"""Judges a rollout's gates by the journal and the measurements, without any code of the engine."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from fleet.core.policy.policy import Policy

GateName = tuple[str, str, str]
"""`pool` or `stage`, its name, and the name of the gate."""


class GateView:
    """The gates of one rollout."""

    def __init__(self, policy: Policy) -> None:
        self._gates: dict[GateName, Any] = {
            ("pool", pool.name, gate.name): gate for pool in policy.pools for gate in pool.gates or ()
        }
        self._gates |= {
            ("stage", stage.name, gate.name): gate for stage in policy.stages or () for gate in stage.gates
        }
        self.reached: dict[GateName, datetime] = {}
        self.passed: set[GateName] = set()
        self._measured: dict[GateName, list[tuple[datetime, str]]] = {}

    def measured(self, name: GateName, clock: datetime, verdict: str) -> None:
        """Records a measurement and the time of the controllers' clock."""
        self._measured.setdefault(name, []).append((clock, verdict))

    def apply(self, kind: str, detail: dict[str, Any], at: datetime) -> None:
        """Applies an entry of the journal about gates."""
        of, place = detail["point"]["of"], detail["point"]["name"]
        if kind == "gates":
            for name in self._gates:
                if name[:2] == (of, place):
                    self.reached.setdefault(name, at)
        elif kind in ("gate-passed", "pass"):
            self.passed.add((of, place, detail["gate"]))
        elif kind == "gate-failed":
            self.reached.pop((of, place, detail["gate"]), None)

    def wrongly_passed(self, name: GateName, at: datetime) -> str:
        """Returns why the gate must not pass now; empty: it may."""
        gate = self._gates[name]
        kind = gate.__struct_config__.tag
        if kind == "operator":
            return "no operator has let it pass"
        if kind == "soak":
            waited = (at - self.reached[name]).total_seconds()
            return f"after {waited:.0f} s" if waited < gate.for_seconds else ""
        good: list[datetime] = []
        for clock, verdict in reversed(self._measured.get(name, [])):
            if verdict != "good":
                break
            good.append(clock)
        if not good:
            return "the last measurement is not good"
        span = (max(good) - min(good)).total_seconds()
        return f"good for {span:.0f} s only" if span < gate.for_seconds else ""

    def closed(self, of: str, names: Iterable[str]) -> list[str]:
        """Returns the gates behind these pools or stages that have not passed."""
        wanted = set(names)
        return [
            name[2] for name in self._gates if name[0] == of and name[1] in wanted and name not in self.passed
        ]

    def waiting_for_operator(self) -> list[GateName]:
        """Returns the gates that the rollout has reached and that an operator alone lets pass."""
        return [
            name
            for name, gate in self._gates.items()
            if gate.__struct_config__.tag == "operator" and name in self.reached and name not in self.passed
        ]
