"""Members whose wall clock is wrong: no decision of fleet depends on it, and where it stops a member, users are told
the reason."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bench.quorum import RULE, Writer, adapter, now, wait, whole
from fleet.core.guards import quorum
from fleet.core.objects.node import NodeRef
from fleet.core.quorum.quorum import QuorumRule, fresh, healthy
from fleet.core.rollout.steps import Step
from fleet.etcd.gateway import trust
from fleet.lab.control_plane.certificates import BACKDATED
from fleet.lab.etcd.members import Members
from tests.etcd.clock import Clock
from tests.etcd.raft_timeline import judged
from tests.etcd.rolling import PATIENT_MS, Rolling
from tests.etcd.test_reading import named, names
from tests.etcd.testbed import networked_members

pytestmark = pytest.mark.timeout(300)

FAST = timedelta(days=30)
SLOW = -BACKDATED / 2
"""Not so far back that certificates are not valid yet."""
BEFORE_ALL_CERTIFICATES = timedelta(hours=-1)


def shown(members: Members, name: str) -> datetime:
    """What the member's own clock shows."""
    parts = urlsplit(members.client_url(name))
    assert parts.hostname
    context: ssl.SSLContext = trust(members.access)
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=5, context=context)
    try:
        connection.request("GET", "/version")
        return parsedate_to_datetime(connection.getresponse().headers["Date"]).astimezone(UTC)
    finally:
        connection.close()


def test_rollout_over_members_with_skewed_clocks(binary: Path, tmp_path: Path) -> None:
    clocks = {name: Clock(tmp_path, name) for name in ("m1", "m2")}
    clocks["m1"].set(FAST)
    clocks["m2"].set(SLOW)
    before = {name: clock.before for name, clock in clocks.items()}
    with networked_members(
        binary,
        tmp_path / "etcd",
        now(),
        names(3),
        heartbeat_ms=500,
        election_ms=PATIENT_MS,
        before=before,
    ) as members:
        etcd = adapter(members)
        group = wait(etcd, whole)
        for name, off in {"m0": timedelta(), "m1": FAST, "m2": SLOW}.items():
            assert abs(shown(members, name) - now() - off) < timedelta(minutes=1), name
        assert group.read_at is not None and abs(group.read_at - now()) < timedelta(minutes=1)
        assert fresh(group, RULE, now())
        etcd.move_leader("m1")
        first = wait(etcd, whole)
        term = etcd.term
        rolling = Rolling(tmp_path, members, QuorumRule(soak_seconds=4))
        writer = Writer(members.access)
        with writer.at_work():
            asyncio.run(to_the_end(rolling))
        wait(etcd, whole)
    assert first.leader is not None and rolling.order[-1] == first.leader.name
    assert {run.step for run in rolling.rollout.runs.values()} == {Step.DONE}
    assert judged(list(members.sites), rolling.timeline) == []
    assert (rolling.done("move-leader"), etcd.term - term) == (1, 1)
    assert writer.gap < 2 * PATIENT_MS / 1000
    # Soaks and everything else in the journal go by one clock.
    times = [entry.at for entry in rolling.entries()]
    assert times == sorted(times) and times[-1] - times[0] < timedelta(minutes=10)


async def to_the_end(rolling: Rolling) -> None:
    async with rolling.at_work():
        pass


def test_member_whose_clock_is_before_all_certificates_is_unreachable_with_the_reason(
    binary: Path, tmp_path: Path
) -> None:
    clock = Clock(tmp_path, "m2")
    with networked_members(
        binary, tmp_path / "etcd", now(), names(3), before={"m2": clock.before}
    ) as members:
        etcd = adapter(members)
        wait(etcd, whole)
        etcd.move_leader("m0")
        wait(etcd, whole)
        clock.set(BEFORE_ALL_CERTIFICATES)
        group = wait(etcd, lambda group: not named(group, "m2").reachable)
        assert {each.name for each in healthy(group, RULE)} == {"m0", "m1"}
        held = quorum.held(group, RULE, NodeRef("lab", "m1"), ())
        assert held is not None
        assert "refuses the client certificate as expired or not yet valid" in held.message
        assert "the member's clock" in held.message
        clock.set(timedelta())
        wait(etcd, whole)


def test_certificates_that_are_not_valid_yet_by_the_controllers_clock(binary: Path, tmp_path: Path) -> None:
    with networked_members(binary, tmp_path / "etcd", now() + timedelta(hours=1), names(1)) as members:
        found = adapter(members).read(now())
        assert "its certificate is refused: certificate is not yet valid by the clock here" in found.unread
        held = quorum.held(found, RULE, NodeRef("lab", "m0"), ())
        assert held is not None and "certificate is not yet valid by the clock here" in held.message
