"""The link between two sites is cut twice in the middle of a rollout over a stretched etcd, and restored each
time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from bench.quorum import SITES, TRIPS, Writer, adapter, now, wait, whole
from fleet.core.quorum.quorum import QuorumRule
from fleet.core.rollout.steps import Step
from tests.etcd.raft_timeline import Moment, judged
from tests.etcd.rolling import Rolling
from tests.etcd.testbed import networked_members

ELECTION_MS = 4000
"""Long: on a busy computer a late heartbeat is not to look like a leader that is gone."""
SOAK_SECONDS = 16
"""Longer than the members beyond a cut take to see that they have no leader, two election timeouts, and a reading."""
READINGS = 2
"""So many, five seconds apart, fleet is watched waiting."""


@pytest.mark.timeout(600)
def test_rollout_waits_while_sites_are_partitioned_and_continues_after(binary: Path, tmp_path: Path) -> None:
    seconds = {frozenset(pair): trip for pair, trip in TRIPS.items()}
    with networked_members(
        binary, tmp_path / "etcd", now(), SITES, seconds, heartbeat_ms=400, election_ms=ELECTION_MS
    ) as members:
        etcd = adapter(members)
        wait(etcd, whole)
        etcd.move_leader("m0")
        wait(etcd, whole)
        before = etcd.term
        rolling = Rolling(tmp_path, members, QuorumRule(soak_seconds=SOAK_SECONDS))
        # Who asks a member that is cut off waits for it, whatever fleet does.
        near = tuple(members.client_url(name) for name, site in SITES.items() if site != "nyc")
        writer = Writer(replace(members.access, endpoints=near))
        with writer.at_work():
            asyncio.run(story(rolling))
        wait(etcd, whole)
    assert {run.step for run in rolling.rollout.runs.values()} == {Step.DONE}
    assert sorted(rolling.order) == sorted(SITES) and rolling.order[-1] == "m0"
    assert judged(list(SITES), rolling.timeline) == []
    # The one leader that goes hands over: no election, not even while the far sites could not see the leader.
    assert (rolling.done("move-leader"), etcd.term - before) == (1, 1)
    assert writer.gap < 2 * ELECTION_MS / 1000


async def story(rolling: Rolling) -> None:
    async with rolling.at_work():
        await rolling.until(lambda: rolling.order, rolling_state(rolling))
        first = rolling.order[0]
        await rolling.wait_back(first)
        rolling.cut("fra", "nyc")
        # fra and sgp decide, and all their members are needed. nyc's could go, but what remains would break with sgp.
        await rolling.until(
            lambda: all(away_words(rolling, name) for name in SITES if name != first), rolling_state(rolling)
        )
        assert "3 are needed: m2 does not vote: etcdserver: no leader" in rolling.held("m0")
        assert "which the loss of sgp or the link fra-sgp breaks; waiting for m3" in rolling.held("m2")
        await nobody_goes(rolling)
        rolling.mend()

        await rolling.until(lambda: len(rolling.order) == 2, rolling_state(rolling))
        second = rolling.order[1]
        assert SITES[second] in ("fra", "nyc"), "sgp's member is the one that both others need"
        rolling.cut("fra", "nyc")
        others = [name for name in SITES if name not in rolling.order]
        await rolling.until(
            lambda: all(f"{second} of etcd is away" in rolling.held(name) for name in others),
            rolling_state(rolling),
        )
        await nobody_goes(rolling)
        rolling.mend()


def away_words(rolling: Rolling, name: str) -> bool:
    message = rolling.held(name)
    return "does not vote" in message or "waiting for" in message


async def nobody_goes(rolling: Rolling) -> None:
    gone = rolling.order
    await asyncio.sleep(READINGS * 5)
    assert rolling.order == gone


def rolling_state(rolling: Rolling):  # type: ignore[no-untyped-def]
    return lambda: ({name: rolling.held(name) for name in SITES}, rolling.timeline)


def test_checker_finds_what_raft_cannot_tolerate() -> None:
    three = ["a", "b", "c"]
    assert judged(three, [Moment("down", "a"), Moment("back", "a"), Moment("down", "b")]) == []
    assert len(judged(three, [Moment("down", "a"), Moment("down", "b")])) == 2
    cut = frozenset({frozenset("ab")})
    assert judged(three, [Moment("cut", cut=cut), Moment("down", "a")]) == []
    assert judged(three, [Moment("cut", cut=cut), Moment("down", "c")]) == [
        "1: ['a', 'b'] of 3 were left, cut [['a', 'b']]"
    ]
    assert judged(three, [Moment("cut", cut=cut), Moment("mended"), Moment("down", "c")]) == []
    assert len(judged(["a", "b"], [Moment("down", "a")])) == 1
