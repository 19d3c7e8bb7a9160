"""Hosts without a cluster that carry the members of an etcd: the limits would let all go at once, the group does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from fleet.core.policy.policy import Amount, Limits
from fleet.core.quorum.quorum import QuorumRule, SnapshotRule
from fleet.core.rollout.steps import Step
from fleet.etcd.backup import check
from tests.programs.hosts.home import POOL, Home
from tests.programs.hosts.voters import Voters

ALL_AT_ONCE = replace(POOL, limits=Limits(Amount(9)), canaries=0, soak_seconds=0)
RULE = QuorumRule(soak_seconds=10)
MAJORITY = 2
"""Of three."""


@contextmanager
def a_bed(folder: Path) -> Iterator[tuple[Home, Voters]]:
    """Three hosts in a pool that sets no limit; n-0 leads."""
    home = Home(folder, count=3, pool=ALL_AT_ONCE)
    voters = Voters(home.site.boxes)
    with voters.serving():
        yield home, voters


def steps(home: Home) -> set[Step]:
    return {run.step for run in home.rollout.runs.values()}


def test_voters_go_one_at_a_time_and_the_leader_last_after_handing_over(tmp_path: Path) -> None:
    with a_bed(tmp_path) as (home, voters):
        home.start(voters.group(RULE))
        home.run()
    assert steps(home) == {Step.DONE}
    assert [each.name for each in voters.went] == ["n-1", "n-2", "n-0"]
    assert [(each.led, each.others, each.out) for each in voters.went] == [(False, 2, ())] * 3
    assert len(voters.moved) == 1 and voters.elections == 0
    assert [box.hooks for box in home.site.boxes.values()] == [
        [f"out {name}", f"in {name}"] for name in home.site.boxes
    ]


def test_without_a_quorum_group_the_same_limits_let_all_go_together(tmp_path: Path) -> None:
    with a_bed(tmp_path) as (home, voters):
        home.start()
        home.run()
    assert steps(home) == {Step.DONE}
    # Nobody asks the members here, so that one that has booted does not vote again: whoever is the second finds that.
    assert min(each.others for each in voters.went) < MAJORITY
    assert any(each.led for each in voters.went) and not voters.moved, "the leader went as it was"


def test_snapshot_is_taken_before_each_voter(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    with a_bed(tmp_path) as (home, voters):
        home.start(voters.group(replace(RULE, snapshot=SnapshotRule(str(folder)))))
        home.run()
    assert steps(home) == {Step.DONE}
    assert [each.snapshots for each in voters.went] == [1, 2, 3]
    assert len([check(path) for path in folder.glob("books-*.db")]) == 3


def test_no_host_goes_while_a_voter_is_down_and_the_reason_is_shown(tmp_path: Path) -> None:
    with a_bed(tmp_path) as (home, voters):
        home.start(voters.group(RULE))
        home.site.boxes["n-2"].down = True

        def told_for_some_readings() -> bool:
            if len(home.held) < 3:
                voters.readings = 0
            return voters.readings >= 8

        home.run(until=told_for_some_readings)
        held = {name: message[0] for name, message in home.held.items()}
        for name in ("n-0", "n-1"):
            message = (
                f"without {name} 1 of 3 voters of books would be healthy, 2 are needed: n-2 does not vote"
            )
            assert held[name].startswith(message)
        assert held["n-2"] == "node n-2 is not Ready: n-2: connection refused"
        assert not voters.went and not voters.moved
        assert not any(box.hooks for box in home.site.boxes.values())
        home.site.boxes["n-2"].down = False
        home.run()
    assert steps(home) == {Step.DONE}
    assert [(each.others, each.out) for each in voters.went] == [(2, ())] * 3


def test_failed_voter_on_a_running_host_goes_first(tmp_path: Path) -> None:
    with a_bed(tmp_path) as (home, voters):
        home.start(voters.group(RULE))
        voters.stopped.add("n-2")
        home.run()
    assert steps(home) == {Step.DONE}
    assert [(each.name, each.others) for each in voters.went] == [("n-2", 2), ("n-1", 2), ("n-0", 2)]
    assert voters.elections == 0
