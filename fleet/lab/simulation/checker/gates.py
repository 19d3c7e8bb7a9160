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
        self.noted: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
        """How many pods of each workload were Ready before the nodes of a point began, by point and cluster."""
        self._measured: dict[GateName, list[tuple[datetime, str]]] = {}

    def measured(self, name: GateName, clock: datetime, verdict: str) -> None:
        """Records a measurement and the time of the controllers' clock."""
        self._measured.setdefault(name, []).append((clock, verdict))

    def remember(self, other: GateView) -> None:
        """Takes over the measurements."""
        self._measured = other._measured

    def apply(self, kind: str, detail: dict[str, Any], at: datetime) -> None:
        """Applies an entry of the journal about gates."""
        of, place = detail["point"]["of"], detail["point"]["name"]
        if kind == "workloads":
            self.noted.setdefault((of, place), {}).setdefault(detail["cluster"], detail["ready"])
        elif kind == "gates":
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
        if kind == "workloads":
            return ""  # judged by the workloads themselves
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

    def ready_before(self, name: GateName) -> dict[str, dict[str, int]]:
        """Returns what was noted of the workloads of each cluster, if the gate is about that."""
        about = self._gates[name].__struct_config__.tag == "workloads"
        return self.noted.get(name[:2], {}) if about else {}

    def compares_workloads(self, of: str, place: str) -> bool:
        """Returns whether a gate of the point compares how ready workloads are."""
        tags = {gate.__struct_config__.tag for name, gate in self._gates.items() if name[:2] == (of, place)}
        return "workloads" in tags

    def waiting_for_operator(self) -> list[GateName]:
        """Returns the gates that the rollout has reached and that an operator lets pass: those of operators, and those
        about workloads, which may never be as ready as before once faults have changed the cluster."""
        return [
            name
            for name, gate in self._gates.items()
            if gate.__struct_config__.tag in ("operator", "workloads")
            and name in self.reached
            and name not in self.passed
        ]
