"""The effect of a plan and its differences, over any goals and keys."""

from __future__ import annotations

from typing import Any

import msgspec
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from fleet.app.planning.effects import hash_of
from fleet.core.approval.difference import differences
from fleet.core.approval.effect import effect_of
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Amount, Limits, Policy, Pool
from fleet.core.releases.release import Release
from fleet.core.rollout.goal import Goal, Start

NAMES = st.text("abc-\u00e9\U0001f600", min_size=1, max_size=3)
POOLS = ("workers", "storage")
GOALS = st.dictionaries(
    st.tuples(st.sampled_from(("east", "west")), NAMES),
    st.tuples(NAMES, st.sampled_from(POOLS), NAMES, st.booleans()),
    min_size=1,
    max_size=5,
)
NUMBERS = st.integers(0, 2**64)


@st.composite
def starts(draw: st.DrawFn) -> Start:
    goals = tuple(
        Goal(NodeRef(cluster, name), uid, pool, zone=zone, canary=canary)
        for (cluster, name), (uid, pool, zone, canary) in draw(GOALS).items()
    )
    pools = tuple(
        Pool(name, canaries=draw(NUMBERS), limits=Limits(Amount(draw(NUMBERS), draw(st.booleans()))))
        for name in POOLS
    )
    return Start(draw(NAMES), Release(draw(NAMES)), Policy(pools), goals, draw(st.integers(0, 99)))


@given(starts(), starts())
def test_effects_are_equal_exactly_if_nothing_differs_and_their_hashes_are(one: Start, other: Start) -> None:
    first, second = effect_of(one), effect_of(other)
    assert (first == second) == (not differences(first, second)) == (hash_of(first) == hash_of(second))


@given(starts(), starts())
def test_each_difference_is_one_in_the_other_direction(one: Start, other: Start) -> None:
    first, second = effect_of(one), effect_of(other)
    there = {(each.subject, each.was, each.now) for each in differences(first, second)}
    back = {(each.subject, each.now, each.was) for each in differences(second, first)}
    assert there == back


@given(starts())
def test_an_effect_is_canonical_json_and_the_same_after_the_journal(start: Start) -> None:
    effect = effect_of(start)
    text = rfc8785.dumps(dict(effect))
    read: dict[str, Any] = msgspec.json.decode(text)
    assert read == effect
    assert hash_of(read) == hash_of(effect)
