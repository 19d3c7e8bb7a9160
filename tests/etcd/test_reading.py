"""What real members report of themselves and of each other, and the actions on them."""

from __future__ import annotations

import base64
import resource
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bench.quorum import ELECTION_MS, RULE, TRIPS, adapter, now, wait, whole
from fleet.core.guards import quorum
from fleet.core.objects.node import NodeRef
from fleet.core.quorum.groups import EtcdAccess, QuorumGroup
from fleet.core.quorum.quorum import (
    Member,
    Quorum,
    SnapshotRule,
    foremost,
    healthy,
    round_trip,
    unhealthy_members,
)
from fleet.etcd.backup import check
from fleet.etcd.errors import EtcdError, EtcdRefusedError
from fleet.etcd.etcd import Etcd
from fleet.etcd.gateway import Gateway, trust
from fleet.lab.etcd.members import Members
from tests.etcd.testbed import networked_members

pytestmark = pytest.mark.timeout(300)

LONG_ELECTION_MS = 20_000
"""So long a member believes in a leader that it does not hear."""


def names(count: int) -> dict[str, str]:
    return {f"m{index}": "fra" for index in range(count)}


def named(group: Quorum, name: str) -> Member:
    return next(each for each in group.members if each.name == name)


def put(access: EtcdAccess, member: int, count: int, size: int = 10) -> None:
    gateway = Gateway(access.endpoints[member], trust(access))
    value = base64.b64encode(b"x" * size).decode()
    for number in range(count):
        key = base64.b64encode(f"key-{number}".encode()).decode()
        gateway.call("/v3/kv/put", {"key": key, "value": value})


def test_healthy_etcd_and_its_snapshot(binary: Path, tmp_path: Path) -> None:
    with networked_members(binary, tmp_path / "etcd", now(), names(3)) as members:
        etcd = adapter(members)
        group = wait(etcd, whole)
        assert sorted(each.name for each in group.members) == ["m0", "m1", "m2"]
        assert group.uid and not group.unread and not group.declared
        for each in group.members:
            assert each.node == NodeRef("lab", each.name) and each.voter and each.started
            assert each.version.startswith("3.") and 0 < each.in_use <= each.size
            assert each.seconds is not None and each.seconds > 0
        before = foremost(group)
        put(members.access, 0, 30)
        wait(etcd, lambda now: foremost(now) >= before + 30)
        rule = SnapshotRule(str(tmp_path / "backup"), keep=2)
        saved = [etcd.snapshot(rule, now().replace(microsecond=0, second=second)) for second in range(4)]
        kept = sorted(Path(rule.directory).iterdir())
        assert len(kept) == 2 and kept[-1] == saved[-1].path
        assert stat.S_IMODE(kept[0].stat().st_mode) == 0o600
        assert check(kept[-1]).sha256 == saved[-1].sha256
        spoilt = bytearray(kept[-1].read_bytes())
        spoilt[1000] ^= 1
        kept[-1].write_bytes(spoilt)
        with pytest.raises(EtcdError, match="its hash is"):
            check(kept[-1])
        with _small_files(), pytest.raises(EtcdError, match="cannot be written"):
            etcd.snapshot(SnapshotRule(str(tmp_path / "full")), now())
        assert list((tmp_path / "full").iterdir()) == []


@contextmanager
def _small_files() -> Iterator[None]:
    """The system refuses to write more than this into a file, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_leadership_moves_to_the_named_member_and_the_leader_is_never_defragmented(
    binary: Path, tmp_path: Path
) -> None:
    with networked_members(binary, tmp_path / "etcd", now(), names(3)) as members:
        etcd = adapter(members)
        wait(etcd, whole)
        for name in ("m2", "m0", "m0"):
            assert etcd.move_leader(name) == f"{name} leads etcd"
            leader = wait(etcd, whole).leader
            assert leader is not None and leader.name == name
        with pytest.raises(EtcdError, match="m0 leads etcd"):
            etcd.defragment("m0")
        assert "bytes before" in etcd.defragment("m1")
        with pytest.raises(EtcdError, match="m9 of etcd does not answer"):
            etcd.move_leader("m9")


def test_member_and_then_a_majority_is_down(binary: Path, tmp_path: Path) -> None:
    with networked_members(binary, tmp_path / "etcd", now(), names(3)) as members:
        etcd = adapter(members)
        wait(etcd, whole)
        etcd.move_leader("m0")
        members.kill("m2")
        group = wait(etcd, lambda group: group.leader is not None and not named(group, "m2").reachable)
        assert [each.name for each in healthy(group, RULE)] == ["m0", "m1"]
        held = quorum.held(group, RULE, NodeRef("lab", "m1"), ())
        assert held is not None and "m2 does not vote: https://" in held.message
        assert quorum.held(group, RULE, NodeRef("lab", "m2"), ()) is None
        members.kill("m1")
        alone = wait(etcd, lambda group: not healthy(group, RULE))
        assert not named(alone, "m0").reachable, "it answers, and sees no leader"
        members.kill("m0")
        dead = etcd.read(now())
        assert "none of its members answers" in dead.unread and len(dead.members) == 3
        for name in members.sites:
            members.start(name)
        wait(etcd, whole)


def test_learner_and_member_that_never_started(binary: Path, tmp_path: Path) -> None:
    with networked_members(binary, tmp_path / "etcd", now(), names(3)) as members:
        etcd = adapter(members)
        wait(etcd, whole)
        gateway = Gateway(members.access.endpoints[0], trust(members.access))
        _add(etcd, gateway, "https://127.0.0.1:1", learner=True)
        learner = wait(etcd, lambda group: len(group.members) == 4)
        assert len(learner.voters) == 3 and learner.majority == 2
        assert quorum.held(learner, RULE, NodeRef("lab", "m1"), ()) is None
        ident = next(
            each for each in gateway.call("/v3/cluster/member/list")["members"] if not each.get("name")
        )
        gateway.call("/v3/cluster/member/remove", {"ID": ident["ID"]})
        _add(etcd, gateway, "https://127.0.0.1:2", learner=False)
        added = wait(etcd, lambda group: len(group.voters) == 4)
        assert added.majority == 3 and not next(each for each in added.members if not each.started).reachable
        # Three of four are healthy: none of them can go.
        held = quorum.held(added, RULE, NodeRef("lab", "m1"), ())
        assert held is not None and "has not joined yet" in held.message


def test_started_learner_is_healthy_though_it_refuses_lists(binary: Path, tmp_path: Path) -> None:
    """It is as real etcd has it: the list of members and that of alarms are not for learners."""
    with networked_members(binary, tmp_path / "etcd", now(), names(4)) as members:
        etcd = adapter(members)
        whole_group = wait(etcd, whole)
        assert len(whole_group.voters) == 4
        gateway, last = (Gateway(members.client_url(name), trust(members.access)) for name in ("m0", "m3"))
        ident = last.call("/v3/maintenance/status")["header"]["member_id"]
        # The leader goes, so the change may be asked for while the others elect another one.
        etcd.move_leader("m3")
        members.kill("m3")
        _remove(etcd, gateway, ident)
        shutil.rmtree(tmp_path / "etcd" / "m3")
        _add(etcd, gateway, members.peer_url("m3"), learner=True)
        members.start("m3", state="existing")
        group = wait(etcd, lambda group: len(group.voters) == 3 and named_or_none(group, "m3"))
        group = wait(etcd, lambda group: named(group, "m3").reachable)
        assert not named(group, "m3").voter and unhealthy_members(group, RULE) == ()
        for path, body in (
            ("/v3/cluster/member/list", {"linearizable": False}),
            ("/v3/maintenance/alarm", {}),
        ):
            with pytest.raises(EtcdRefusedError, match="not supported for learner"):
                last.call(path, body)
        # What an alarm is told by, also to a learner; memberID 0 disarms nothing.
        arm(members, "m1", "NOSPACE")
        wait(etcd, lambda group: named(group, "m1").alarms)
        gateway.call("/v3/maintenance/alarm", {"action": "DEACTIVATE", "memberID": 0, "alarm": "NOSPACE"})
        assert named(etcd.read(now()), "m1").alarms == ("NOSPACE",)
        arm(members, "m1", "NOSPACE", action="DEACTIVATE")
        wait(etcd, lambda group: not named(group, "m1").alarms)


def named_or_none(group: Quorum, name: str) -> Member | None:
    return next((each for each in group.members if each.name == name), None)


def _remove(etcd: Etcd, gateway: Gateway, ident: str) -> None:
    _change(
        etcd,
        lambda: gateway.call("/v3/cluster/member/remove", {"ID": ident}),
        lambda: all(each["ID"] != ident for each in _listed(gateway)),
    )


def _add(etcd: Etcd, gateway: Gateway, url: str, *, learner: bool) -> None:
    _change(
        etcd,
        lambda: gateway.call("/v3/cluster/member/add", {"peerURLs": [url], "isLearner": learner}),
        lambda: any(url in each["peerURLs"] for each in _listed(gateway)),
    )


def _listed(gateway: Gateway) -> list[dict[str, Any]]:
    members: list[dict[str, Any]] = gateway.call("/v3/cluster/member/list", {"linearizable": True})["members"]
    return members


def _change(etcd: Etcd, change: Callable[[], object], is_made: Callable[[], bool]) -> None:
    """Changes the members, and returns when the list of members says so.

    etcd refuses a change while its voters have not been connected for five seconds. One that is asked for while a
    leader is elected may get no answer and be made all the same, so the list of members decides.
    """

    def made(_: Quorum) -> bool:
        try:
            if not is_made():
                change()
            return is_made()
        except EtcdRefusedError as error:
            assert "unhealthy cluster" in error.message or "leader" in error.message
        except EtcdError:
            pass  # Nobody has answered in time: the next look tells.
        return False

    wait(etcd, made)


def test_lagging_member_is_out_of_step_until_it_has_caught_up(binary: Path, tmp_path: Path) -> None:
    """The member answers and still believes in its leader: only its index shows that it is behind."""
    sites = {"m0": "fra", "m1": "fra", "m2": "nyc"}
    rule = replace(RULE, lag_entries=50)
    with networked_members(
        binary, tmp_path / "etcd", now(), sites, heartbeat_ms=500, election_ms=LONG_ELECTION_MS
    ) as members:
        etcd = adapter(members)
        wait(etcd, whole)
        etcd.move_leader("m0")
        wait(etcd, whole)
        members.wan.cut("fra", "nyc")
        put(members.access, 0, 60)
        group = etcd.read(now())
        assert named(group, "m2").reachable and group.leader is not None and group.leader.name == "m0"
        assert {each.name for each in healthy(group, rule)} == {"m0", "m1"}
        held = quorum.held(group, rule, NodeRef("lab", "m1"), ())
        assert held is not None and "m2 is 6" in held.message and "entries behind" in held.message
        assert "entries behind" in quorum.why_not_recovered(group, rule, NodeRef("lab", "m2"))
        members.wan.heal()
        group = wait(etcd, lambda group: len(healthy(group, rule)) == 3)
        assert quorum.held(group, rule, NodeRef("lab", "m1"), ()) is None


@pytest.mark.parametrize("alarm", ["NOSPACE", "CORRUPT"])
def test_alarm_holds_the_other_members_until_it_is_cleared(binary: Path, tmp_path: Path, alarm: str) -> None:
    with networked_members(binary, tmp_path / "etcd", now(), names(3)) as members:
        etcd = adapter(members)
        wait(etcd, whole)
        arm(members, "m1", alarm)
        group = wait(etcd, lambda group: named(group, "m1").alarms)
        assert {each.name: each.alarms for each in group.members} == {"m0": (), "m1": (alarm,), "m2": ()}
        held = quorum.held(group, RULE, NodeRef("lab", "m2"), ())
        assert held is not None and f"m1 has alarm {alarm}" in held.message
        assert quorum.held(group, RULE, NodeRef("lab", "m1"), ()) is None
        arm(members, "m1", alarm, action="DEACTIVATE")
        group = wait(etcd, lambda group: not named(group, "m1").alarms)
        assert quorum.held(group, RULE, NodeRef("lab", "m2"), ()) is None


def arm(members: Members, name: str, alarm: str, action: str = "ACTIVATE") -> None:
    gateway = Gateway(members.client_url(name), trust(members.access))
    ident = gateway.call("/v3/maintenance/status")["header"]["member_id"]
    gateway.call("/v3/maintenance/alarm", {"action": action, "memberID": ident, "alarm": alarm})


def test_full_database_raises_an_alarm(binary: Path, tmp_path: Path) -> None:
    with networked_members(binary, tmp_path / "etcd", now(), names(3), quota_bytes=16 << 20) as members:
        etcd = adapter(members)
        wait(etcd, whole)
        with pytest.raises(EtcdError, match="space exceeded"):
            put(members.access, 0, 400, size=256 << 10)
        group = wait(etcd, lambda group: any(each.alarms for each in group.members))
        unhealthy = [each for each in group.members if each.alarms]
        assert {alarm for each in unhealthy for alarm in each.alarms} == {"NOSPACE"}
        assert all(each not in healthy(group, RULE) for each in unhealthy)


def test_certificate_of_another_authority_is_rejected_with_the_reason(binary: Path, tmp_path: Path) -> None:
    with networked_members(binary, tmp_path / "etcd", now(), names(1)) as members:
        strange = members.strange
        access = replace(members.access, cert=str(strange.certificate), key=str(strange.key))
        group = Etcd(QuorumGroup("etcd", "lab", access=access), {}).read(now())
        assert "none of its members answers" in group.unread and group.members == ()
        missing = Etcd(QuorumGroup("etcd", "lab", access=replace(access, ca="/nowhere.crt")), {}).read(now())
        assert "/nowhere.crt" in missing.unread
        alone = wait(adapter(members), whole)
        held = quorum.held(alone, RULE, NodeRef("lab", "m0"), ())
        assert held is not None and "stands still" in held.message


def test_isolated_members_view_is_not_trusted(binary: Path, tmp_path: Path) -> None:
    """It still takes itself for the leader, for a while; the others have another by then."""
    sites = {"m0": "fra", "m1": "nyc", "m2": "nyc"}
    with networked_members(binary, tmp_path / "etcd", now(), sites) as members:
        etcd = adapter(members)
        wait(etcd, whole)
        etcd.move_leader("m0")
        wait(etcd, whole)
        members.wan.cut("fra", "nyc")
        group = wait(etcd, lambda group: group.leader is not None and group.leader.name != "m0")
        group = wait(etcd, lambda group: not named(group, "m0").reachable)
        assert {each.name for each in healthy(group, RULE)} == {"m1", "m2"}
        members.wan.heal()
        wait(etcd, whole)


def test_round_trips_of_new_members_are_measured(binary: Path, tmp_path: Path) -> None:
    """etcd opens a connection for a probe if it has none, so the reported value may be up to three round trips."""
    sites = {"m0": "fra", "m1": "nyc", "m2": "sgp"}
    seconds = {frozenset(pair): trip for pair, trip in TRIPS.items()}
    with networked_members(
        binary, tmp_path / "etcd", now(), sites, seconds, heartbeat_ms=200, election_ms=ELECTION_MS
    ) as members:
        etcd = adapter(members, {})
        group = wait(etcd, lambda group: len(group.links) == 3, 60)
    for (one, other), trip in TRIPS.items():
        reported = round_trip(group, one, other)
        assert reported is not None and reported >= trip, (one, other, reported)
    near, far = round_trip(group, "fra", "nyc"), round_trip(group, "nyc", "sgp")
    assert near is not None and far is not None and near < far
