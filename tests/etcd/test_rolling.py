"""Every member of a real etcd is rebooted once while a client writes: its leader moves on request, and no election is
needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.quorum import ELECTION_MS, SITES, TRIPS, Result, adapter, fleets, in_turn, now, roll
from tests.etcd.raft_timeline import Moment, judged
from tests.etcd.rolling import PATIENT_MS
from tests.etcd.testbed import networked_members

pytestmark = pytest.mark.timeout(600)


def rolled(binary: Path, directory: Path, sites: dict[str, str], leader: str = "m0") -> Result:
    """Judged by raft's arithmetic."""
    seconds = {frozenset(pair): trip for pair, trip in TRIPS.items()}
    timeline: list[Moment] = []
    with networked_members(
        binary, directory, now(), sites, seconds, heartbeat_ms=500, election_ms=PATIENT_MS
    ) as members:
        found = roll(
            members,
            adapter(members),
            "fleet",
            fleets,
            hand_over=True,
            leader=leader,
            report=lambda event, member: timeline.append(Moment(event, member)),
        )
    assert judged(list(sites), timeline) == []
    assert [each.member for each in timeline if each.what == "down"] == list(found.order)
    return found


@pytest.mark.parametrize("count", [3, 7, 9])
def test_rollout_in_one_site(binary: Path, tmp_path: Path, count: int) -> None:
    found = rolled(binary, tmp_path / "etcd", {f"m{index}": "fra" for index in range(count)})
    assert found.order[-1] == "m0" and len(found.order) == count
    assert (found.moved, found.elections) == (1, 0)
    assert found.gap_seconds < 2 * PATIENT_MS / 1000


def test_rollout_in_three_sites(binary: Path, tmp_path: Path) -> None:
    found = rolled(binary, tmp_path / "etcd", SITES)
    assert found.order[-1] == "m0"
    assert (found.moved, found.elections) == (1, 0)
    assert found.gap_seconds < 2 * PATIENT_MS / 1000


def test_leader_in_the_far_site_hands_over_to_a_near_member_and_goes_last(
    binary: Path, tmp_path: Path
) -> None:
    found = rolled(binary, tmp_path / "etcd", SITES, leader="m4")
    assert found.order[-1] == "m4"
    assert (found.moved, found.elections) == (1, 0)
    assert found.gap_seconds < 2 * PATIENT_MS / 1000
    # Over the links as the members have measured them.
    first, last = found.commit_ms[0], found.commit_ms[-1]
    assert first is not None and last is not None and last < first


def test_order_by_name_costs_elections(binary: Path, tmp_path: Path) -> None:
    """The same bed shows what fleet's order saves: otherwise it could not fail."""
    sites = {f"m{index}": "fra" for index in range(3)}
    with networked_members(
        binary, tmp_path / "etcd", now(), sites, heartbeat_ms=200, election_ms=ELECTION_MS
    ) as members:
        found = roll(members, adapter(members), "by name", in_turn(list(sites)), hand_over=False)
    assert found.elections >= 1
    assert found.gap_seconds > ELECTION_MS / 2000
