"""What a plan keeps in memory while it is made."""

from __future__ import annotations

import gc

import pytest

from fleet.core.engine.engine import Engine
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.lab.simulation.builders import NEW, START, a_node, a_policy, a_snapshot
from fleet.model.model import Model
from fleet.planner import planner
from fleet.planner.assembly import Ended, assemble
from fleet.planner.request import PlanRequest


def test_neither_an_engine_nor_a_model_outlives_the_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[object] = []

    def look(request: PlanRequest, ended: Ended) -> Plan:
        assert not gc.isenabled()
        alive.extend(each for each in gc.get_objects() if isinstance(each, Engine | Model))
        return assemble(request, ended)

    monkeypatch.setattr(planner, "assemble", look)
    cluster = a_snapshot([a_node("n-0"), a_node("n-1")])
    request = PlanRequest("", [cluster], a_policy(), ["workers"], NEW, START, DurationEstimates())
    plan = planner.make_plan(request)
    assert plan.runs and alive == []
    assert gc.isenabled() and gc.get_freeze_count() == 0
