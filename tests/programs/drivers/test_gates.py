"""The controller at work on a rollout with a gate that a program answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.policy.gate import AnyGate, CommandGate, OperatorGate, WorkloadsGate
from fleet.core.records.journal import JournalRecord
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import GateOverruled
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.stages.gate_state import POOL, GatePoint
from fleet.core.rollout.steps import RolloutState, Step
from fleet.lab.simulation.builders import NEW, a_policy, a_pool
from tests.programs.drivers.test_controller import SECONDS, Home

POINT = GatePoint(POOL, "workers")


def start(home: Home, gate: AnyGate) -> None:
    policy = a_policy(replace(a_pool(), gates=(gate,)))
    goals = tuple(
        Goal(NodeRef("east", node.name), node.uid, "workers", canary=node.name == "n-0")
        for node in home.snapshot.nodes
    )
    detail = msgspec.to_builtins(Start("p-1", NEW, policy, goals))
    record = JournalRecord(form="command", kind="start", rollout="r-1", detail=detail)
    home.store.journal.append([record], at=home.clock.now(), actor="ada@desk")


async def work(home: Home, until: Callable[[], bool] | None = None) -> None:
    """Runs a controller until nothing is left to do, or the condition holds."""
    controller = asyncio.create_task(home.controller().run(until_idle=True))
    async with asyncio.timeout(SECONDS):
        while not controller.done() and not (until is not None and until()):
            await asyncio.wait({controller}, timeout=0.05)
    if not controller.done():
        controller.cancel()
    await asyncio.gather(controller, return_exceptions=not controller.done())


def kinds(home: Home) -> list[str]:
    return [entry.record.kind for entry in home.store.journal.entries()]


def test_the_rest_goes_on_once_the_program_exits_with_zero(tmp_path: Path) -> None:
    home = Home(tmp_path)
    flag = tmp_path / "flag"
    gate = CommandGate(
        name="flag",
        command=("test", "-e", str(flag)),
        bad=10_000,
        timeout_seconds=2_000_000,
        every_seconds=60,
    )
    start(home, gate)
    asyncio.run(work(home, lambda: "gate-measured" in kinds(home)))
    assert {run.step for run in home.rollout.runs.values()} == {Step.DONE, Step.PENDING}
    flag.touch()
    asyncio.run(work(home))
    assert home.rollout.state is RolloutState.FINISHED
    assert home.rollout.counts[Step.DONE] == 4
    assert home.rollout.gates[POINT, "flag"].passed


def test_a_program_that_exits_with_one_halts_the_rollout(tmp_path: Path) -> None:
    home = Home(tmp_path)
    start(home, CommandGate(name="never", command=("false",)))
    asyncio.run(work(home, lambda: home.rollout.state is RolloutState.HALTED))
    assert home.rollout.counts[Step.DONE] == 1
    assert home.rollout.gates[POINT, "never"].failed


def test_a_running_controller_hears_an_operator_pass_the_gate(tmp_path: Path) -> None:
    home = Home(tmp_path)
    start(home, OperatorGate(name="go"))
    passed = False

    def passing() -> bool:
        nonlocal passed
        if "gates" in kinds(home) and not passed:
            record = to_record(GateOverruled(rollout="r-1", point=POINT, gate="go", reason="looked"))
            home.store.journal.append([record], at=home.clock.now(), actor="ada@desk")
            passed = True
        return False

    asyncio.run(work(home, passing))
    assert home.rollout.state is RolloutState.FINISHED


def test_the_controller_notes_how_ready_workloads_are_before_the_first_node(tmp_path: Path) -> None:
    home = Home(tmp_path)
    start(home, WorkloadsGate(name="back", timeout_seconds=2_000_000))
    asyncio.run(work(home))
    found = [entry.record for entry in home.store.journal.entries()]
    steps = [(each.kind, each.detail.get("to"), each.node) for each in found]
    (noted,) = [each for each in found if each.kind == "workloads"]
    assert noted.detail["cluster"] == "east" and noted.detail["ready"]
    assert steps.index(("workloads", None, "")) < steps.index(("step", "cordon", "east/n-0"))
    assert "gate-passed" in kinds(home) and "gate-failed" not in kinds(home)
