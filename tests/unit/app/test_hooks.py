"""An operator lets a hook pass, or runs it again: what is possible, and what is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.app.rollouts.hooks import HookOrder, resolve_hook
from fleet.app.wiring.home import Home
from fleet.core.objects.node import NodeRef
from fleet.core.policy.hooks.hook import CommandHook, HookMoment, Hooks
from fleet.core.records.errors import UsageError
from fleet.core.rollout.codec import Journaled, from_record, to_record
from fleet.core.rollout.commands import HookResolved, RolloutStarted
from fleet.core.rollout.decisions import HookEnded, HookStarted
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.lab.simulation.builders import NEW, START, a_policy, a_pool
from tests.unit.app.homes import a_home

SMOKE = CommandHook(name="smoke", command=("smoke",))
BEFORE = HookMoment.BEFORE_NODE
REFS = (NodeRef("east", "n-1"), NodeRef("east", "n-2"))


def started(node: NodeRef | None, moment: HookMoment = BEFORE) -> HookStarted:
    return HookStarted(rollout="r-1", node=node, moment=moment, hook="smoke", attempt=1)


def unknown(node: NodeRef | None, moment: HookMoment = BEFORE) -> HookEnded:
    return HookEnded(
        rollout="r-1", node=node, moment=moment, hook="smoke", attempt=1, result=HookResult.UNKNOWN
    )


def with_hooks(folder: Path, *records: Journaled) -> Home:
    """Returns a home with a rollout of two nodes, and these records about its hooks."""
    home = a_home(folder / "home")
    policy = replace(a_policy(replace(a_pool(), hooks=Hooks((SMOKE,)))), hooks=Hooks((SMOKE,)))
    goals = tuple(Goal(ref, "u", "workers") for ref in REFS)
    begun = RolloutStarted(rollout="r-1", start=Start("p-1", NEW, policy, goals))
    entries = [to_record(record) for record in (begun, *records)]
    home.store.journal.append(entries, at=START, actor="ada")
    return home


def written(home: Home) -> Journaled:
    return from_record(list(home.store.journal.entries())[-1].record)


@pytest.mark.parametrize("again", [False, True])
def test_order_is_written_with_its_node_and_reason(tmp_path: Path, again: bool) -> None:
    home = with_hooks(tmp_path, started(REFS[0]), unknown(REFS[0]))
    rollout, (place, name) = resolve_hook(home, HookOrder("r-1", "smoke", again, "n-1", "looked"))
    assert (rollout.id, place.node, name) == ("r-1", REFS[0], "smoke")
    assert written(home) == HookResolved(
        rollout="r-1", node=REFS[0], moment=BEFORE, hook="smoke", again=again, reason="looked"
    )


def test_hook_of_a_rollout_needs_no_node(tmp_path: Path) -> None:
    moment = HookMoment.BEFORE_ROLLOUT
    home = with_hooks(tmp_path, started(None, moment), unknown(None, moment))
    resolve_hook(home, HookOrder("r-1", "smoke", False))
    assert written(home) == HookResolved(rollout="r-1", moment=moment, hook="smoke")


def test_running_hook_may_pass_and_not_run_again(tmp_path: Path) -> None:
    home = with_hooks(tmp_path, started(REFS[0]))
    with pytest.raises(UsageError, match="is running"):
        resolve_hook(home, HookOrder("r-1", "smoke", True))
    resolve_hook(home, HookOrder("r-1", "smoke", False))
    assert isinstance(written(home), HookResolved)


def test_nothing_is_written_where_no_hook_or_several_are_meant(tmp_path: Path) -> None:
    home = with_hooks(tmp_path, *(started(ref) for ref in REFS), *(unknown(ref) for ref in REFS))
    before = len(list(home.store.journal.entries()))
    with pytest.raises(UsageError) as several:
        resolve_hook(home, HookOrder("r-1", "smoke", True))
    assert "--node" in several.value.hint
    for order in (HookOrder("r-1", "smoke", True, "n-9"), HookOrder("r-1", "other", True)):
        with pytest.raises(UsageError) as refused:
            resolve_hook(home, order)
        assert "smoke before the node east/n-1" in refused.value.hint
    assert len(list(home.store.journal.entries())) == before


def test_hook_that_has_passed_is_waited_for_no_more(tmp_path: Path) -> None:
    passed = replace(unknown(REFS[0]), result=HookResult.PASSED)
    home = with_hooks(tmp_path, started(REFS[0]), passed)
    with pytest.raises(UsageError) as refused:
        resolve_hook(home, HookOrder("r-1", "smoke", True))
    assert "none" in refused.value.hint
