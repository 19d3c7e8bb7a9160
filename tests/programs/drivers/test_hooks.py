"""The controller at work on a rollout with hooks that are programs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.policy.hooks.hook import AnyHook, CommandHook, HookMoment, Hooks
from fleet.core.records.journal import JournalRecord
from fleet.core.rollout.codec import from_record, to_record
from fleet.core.rollout.commands import HookResolved, RolloutAborted
from fleet.core.rollout.decisions import HookEnded
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.rollout.steps import RolloutState, Step
from fleet.lab.simulation.builders import NEW, a_policy, a_pool
from tests.programs.drivers.test_controller import SECONDS, Home

REF = NodeRef("east", "n-0")


def start(home: Home, before: Iterable[AnyHook] = (), after: Iterable[AnyHook] = ()) -> None:
    policy = a_policy(replace(a_pool(), hooks=Hooks(tuple(before), tuple(after))))
    goals = tuple(
        Goal(NodeRef("east", node.name), node.uid, "workers")
        for node in home.snapshot.nodes
        if node.name == "n-0"
    )
    detail = msgspec.to_builtins(Start("p-1", NEW, policy, goals))
    write(home, JournalRecord(form="command", kind="start", rollout="r-1", detail=detail))


def write(home: Home, record: JournalRecord) -> None:
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


def ended(home: Home) -> list[HookEnded]:
    records = (from_record(entry.record) for entry in home.store.journal.entries())
    return [record for record in records if isinstance(record, HookEnded)]


def shell(name: str, script: str) -> CommandHook:
    return CommandHook(name=name, command=("/bin/sh", "-c", script))


def test_hooks_run_and_their_output_is_in_the_journal(tmp_path: Path) -> None:
    home = Home(tmp_path)
    start(home, [shell("prepare", 'echo "$FLEET_NODE leaves"')], [shell("smoke", "echo works")])
    asyncio.run(work(home))
    assert home.rollout.state is RolloutState.FINISHED
    assert home.rollout.runs[REF].step is Step.DONE
    assert [(each.hook, each.result, each.output) for each in ended(home)] == [
        ("prepare", HookResult.PASSED, "n-0 leaves"),
        ("smoke", HookResult.PASSED, "works"),
    ]


def test_a_stopped_controller_leaves_no_program_and_the_next_runs_nothing_twice(tmp_path: Path) -> None:
    home = Home(tmp_path)
    flag, count = tmp_path / "flag", tmp_path / "count"
    start(home, [shell("prepare", f"echo x >> {count}; touch {flag}; exec sleep 300")])
    asyncio.run(work(home, flag.exists))
    asyncio.run(work(home, lambda: bool(ended(home))))
    assert [each.result for each in ended(home)] == [HookResult.UNKNOWN]
    write(
        home,
        to_record(
            HookResolved(
                rollout="r-1", node=REF, moment=HookMoment.BEFORE_NODE, hook="prepare", reason="seen"
            )
        ),
    )
    asyncio.run(work(home))
    assert home.rollout.state is RolloutState.FINISHED and count.read_text() == "x\n"


def test_an_abort_kills_the_program_and_gives_the_node_back(tmp_path: Path) -> None:
    home = Home(tmp_path)
    flag = tmp_path / "flag"
    start(home, [shell("prepare", f"touch {flag}; exec sleep 300")])
    told = False

    def abort() -> bool:
        nonlocal told
        if flag.exists() and not told:
            write(home, to_record(RolloutAborted(rollout="r-1")))
            told = True
        return False

    asyncio.run(work(home, abort))
    assert [each.result for each in ended(home)] == [HookResult.STOPPED]
    assert home.rollout.runs[REF].step is Step.CANCELLED and not home.rollout.active
