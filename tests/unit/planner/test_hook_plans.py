"""Plans of rollouts with hooks: the time that hooks take, as measured or at most."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import DurationEstimates, measured
from fleet.core.planning.plan import Plan
from fleet.core.policy.hooks.hook import CommandHook, HookMoment, Hooks
from fleet.core.records.journal import JournalEntry
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.decisions import HookEnded, HookStarted
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.lab.simulation.builders import NEW, START, a_node, a_policy, a_pool, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest

WARM = CommandHook(name="warm", command=("warm",), timeout_seconds=900)
SMOKE = CommandHook(name="smoke", command=("smoke",), timeout_seconds=60)


def a_plan(node: Hooks | None, rollout: Hooks | None = None, times: DurationEstimates | None = None) -> Plan:
    pool = replace(a_pool(), **({"hooks": node} if node else {}))
    policy = replace(a_policy(pool), **({"hooks": rollout} if rollout else {}))
    cluster = a_snapshot([a_node("e-0")])
    return make_plan(
        PlanRequest("", [cluster], policy, ["workers"], NEW, START, times or DurationEstimates())
    )


def test_hook_that_was_never_measured_takes_its_whole_timeout_and_is_warned_of() -> None:
    without, made = a_plan(None), a_plan(Hooks((WARM,), (SMOKE,)))
    assert made.makespan_seconds == without.makespan_seconds + 960
    assert made.run_seconds == without.run_seconds + 960
    (warning,) = (each for each in made.warnings if each.check == "hook-unmeasured")
    assert warning.subject == "hooks smoke, warm"
    assert "hook-unmeasured" not in [each.check for each in without.warnings]


def test_hook_before_the_rollout_comes_first() -> None:
    without, made = a_plan(None), a_plan(None, Hooks((WARM,), ()))
    assert made.makespan_seconds == without.makespan_seconds + 900


def test_measured_hook_takes_what_it_usually_takes() -> None:
    times = DurationEstimates(hooks={(HookMoment.BEFORE_NODE, "warm"): 20.0})
    without, made = a_plan(None), a_plan(Hooks((WARM,)), times=times)
    assert made.makespan_seconds == without.makespan_seconds + 20
    assert "hook-unmeasured" not in [each.check for each in made.warnings]


def test_the_journal_tells_how_long_hooks_take_that_have_passed() -> None:
    ref, moment = NodeRef("east", "n"), HookMoment.AFTER_NODE
    entries: list[JournalEntry] = []
    for number, (seconds, result) in enumerate(
        [(5, "passed"), (7, "passed"), (500, "failed"), (9, "passed")]
    ):
        at = START + timedelta(hours=number)
        started = HookStarted(rollout="r", node=ref, moment=moment, hook="smoke", attempt=1)
        ended = HookEnded(
            rollout="r", node=ref, moment=moment, hook="smoke", attempt=1, result=HookResult(result)
        )
        for when, record in ((at, started), (at + timedelta(seconds=seconds), ended)):
            entries.append(JournalEntry(len(entries) + 1, when, "fleet", 1, to_record(record), "", ""))
    assert measured(entries).hooks == {(moment, "smoke"): 7.0}
    assert measured(entries[:-2]).hooks == {}
