"""Hooks under any sequence of outcomes, kills and orders of operators; their output and the names of their Jobs."""

from __future__ import annotations

import re
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from fleet.core.objects.node import NodeRef
from fleet.core.policy.hooks.hook import CommandHook, HookMoment, JobHook
from fleet.core.rollout.commands import HookResolved
from fleet.core.rollout.decisions import HookEnded, HookStarted
from fleet.core.rollout.hooks.hook_state import HookPlace, HookResult
from fleet.core.rollout.hooks.hook_states import HookStates
from fleet.core.rollout.hooks.hook_turn import MOST_REPEATS, NextMove, turn_of
from fleet.core.state.hook_calls import HookCall
from fleet.hooks.job_manifest import job_name
from fleet.hooks.output import kept_output
from fleet.lab.simulation.builders import START

REF = NodeRef("east", "n-1")
MOMENT = HookMoment.BEFORE_NODE
PLACE = HookPlace(MOMENT, str(REF))
ENDS = st.sampled_from([each for each in HookResult if each is not HookResult.RUNNING])
HOOKS = st.builds(
    CommandHook,
    name=st.just("h"),
    command=st.just(("h",)),
    attempts=st.integers(1, 4),
    idempotent=st.booleans(),
    on_failure=st.sampled_from(["hold", "continue"]),
)


@given(HOOKS, st.lists(ENDS, max_size=30))
def test_hook_runs_no_more_often_than_declared(hook: CommandHook, ends: list[HookResult]) -> None:
    states, at, starts = HookStates(), START, list[HookResult]()
    for end in ends:
        turn = turn_of(PLACE, [hook], states)
        if turn is None or turn.next is not NextMove.START:
            break
        states.apply(HookStarted(node=REF, moment=MOMENT, hook="h", attempt=turn.attempt), at)
        waits = turn_of(PLACE, [hook], states)
        assert waits is not None and waits.next is NextMove.WAIT and not states.idle
        at += timedelta(seconds=1)
        states.apply(HookEnded(node=REF, moment=MOMENT, hook="h", attempt=turn.attempt, result=end), at)
        starts.append(end)
    failures, unknown = starts.count(HookResult.FAILED), starts.count(HookResult.UNKNOWN)
    assert failures <= hook.attempts
    assert unknown <= (hook.attempts * (MOST_REPEATS + 1) if hook.idempotent else 1)
    assert starts.count(HookResult.PASSED) <= 1
    turn = turn_of(PLACE, [hook], states)
    if starts and starts[-1] is HookResult.PASSED:
        assert turn is None
    elif starts and starts[-1] is HookResult.STOPPED and hook.on_failure == "hold":
        assert turn is not None and turn.next is NextMove.UNKNOWN


@given(HOOKS, ENDS, st.booleans(), st.booleans())
def test_an_operators_order_always_lets_it_go_on(
    hook: CommandHook, end: HookResult, again: bool, early: bool
) -> None:
    states = HookStates()
    order = HookResolved(node=REF, moment=MOMENT, hook="h", again=again)
    states.apply(HookStarted(node=REF, moment=MOMENT, hook="h", attempt=1), START)
    if early:
        states.apply(order, START)
        waits = turn_of(PLACE, [hook], states)
        assert waits is not None and waits.next is NextMove.WAIT
    states.apply(HookEnded(node=REF, moment=MOMENT, hook="h", attempt=1, result=end), START)
    if not early:
        states.apply(order, START)
    turn = turn_of(PLACE, [hook], states)
    if not again:
        assert turn is None
    elif not early:
        assert turn is not None and turn.next is NextMove.START and turn.attempt == 1


@given(st.text(), st.text(min_size=4), st.integers(0, 200), st.booleans())
def test_output_is_bounded_and_has_no_secret(text: str, secret: str, most: int, before: bool) -> None:
    secret = f"s3cr3t-{secret}"
    output = (text + secret if before else secret + text).encode(errors="replace")
    kept = kept_output(output, most, [secret.encode(errors="replace").decode()])
    assert len(kept.encode()) <= most and "s3cr3t" not in kept


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", fullmatch=True), st.integers(1, 99))
def test_name_of_a_job_is_valid(name: str, attempt: int) -> None:
    hook = JobHook(name=name, template="{}", namespace="ops")
    found = job_name(HookCall("r-1", PLACE, hook, attempt, {}))
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", found)
