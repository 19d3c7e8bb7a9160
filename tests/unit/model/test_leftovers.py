"""A snapshot may show finished work whose end was not recorded: its controller ended at that moment. A plan goes on
from it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleet.core.objects.machine import Ask, Machine, Request, Work
from fleet.core.planning.estimates import DurationEstimates
from fleet.lab.simulation.builders import NEW, START, a_node, a_policy, a_pool, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest

TOKEN = "r-1/n-0/reboot/0"
WORK = Work(TOKEN, "working", boot_id="an-earlier-boot")


def planned(machine: Machine) -> tuple[list[str], list[str]]:
    """The upgraded nodes, and the reasons of the others."""
    snapshot = a_snapshot([a_node("n-0"), a_node("n-1")])
    machines = [
        replace(machine, name=each.name) if each.name == "n-0" else each for each in snapshot.machines
    ]
    snapshot = replace(snapshot, machines=tuple(machines))
    plan = make_plan(
        PlanRequest("", [snapshot], a_policy(a_pool()), ["workers"], NEW, START, DurationEstimates())
    )
    return sorted(run.node for run in plan.runs), [hold.detail for hold in plan.held]


@pytest.fixture
def machine() -> Machine:
    return a_snapshot([a_node("n-0")]).machines[0]


@pytest.mark.parametrize("boot_id", ["an-earlier-boot", ""])
def test_abandoned_work_is_in_the_way_of_nothing(machine: Machine, boot_id: str) -> None:
    left = replace(machine, work=replace(WORK, boot_id=boot_id or machine.boot_id))
    assert planned(left) == (["n-0", "n-1"], [])


def test_reboot_that_has_happened_is_not_repeated(machine: Machine) -> None:
    asked = Request(Ask.REBOOT, TOKEN, NEW)
    runs, held = planned(replace(machine, work=WORK, request=asked))
    assert (runs, held) == (["n-0", "n-1"], [])
