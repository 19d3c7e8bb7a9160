"""A rollout over an etcd that is unhealthy when it begins: the controller upgrades the unhealthy member or waits for
an operator, and loses no vote."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.quorum import adapter, now, wait, whole
from fleet.core.quorum.quorum import QuorumRule, healthy
from fleet.core.rollout.steps import Step
from fleet.lab.etcd.members import Members
from tests.etcd.raft_timeline import judged
from tests.etcd.rolling import PATIENT_MS, Rolling
from tests.etcd.test_reading import arm, named, names
from tests.etcd.testbed import networked_members

pytestmark = pytest.mark.timeout(300)

RULE = QuorumRule(soak_seconds=1)


def begun(binary: Path, folder: Path, count: int) -> Members:
    return networked_members(
        binary, folder / "etcd", now(), names(count), heartbeat_ms=500, election_ms=PATIENT_MS
    )


def assert_well_ended(rolling: Rolling, members: Members) -> None:
    assert {run.step for run in rolling.rollout.runs.values()} == {Step.DONE}
    assert sorted(rolling.order) == sorted(members.sites)
    assert judged(list(members.sites), rolling.timeline) == []


async def to_the_end(rolling: Rolling) -> None:
    async with rolling.at_work():
        pass


def test_member_that_was_down_before_goes_first_and_the_others_wait(binary: Path, tmp_path: Path) -> None:
    with begun(binary, tmp_path, 3) as members:
        etcd = adapter(members)
        wait(etcd, whole)
        etcd.move_leader("m0")
        members.kill("m2")
        wait(etcd, lambda group: len(healthy(group, RULE)) == 2)
        rolling = Rolling(tmp_path, members, RULE)
        asyncio.run(to_the_end(rolling))
        wait(etcd, whole)
        assert_well_ended(rolling, members)
    assert (rolling.order[0], rolling.order[-1], rolling.done("move-leader")) == ("m2", "m0", 1)


def test_alarm_that_a_reboot_does_not_clear_holds_the_rollout(binary: Path, tmp_path: Path) -> None:
    with begun(binary, tmp_path, 3) as members:
        etcd = adapter(members)
        wait(etcd, whole)
        etcd.move_leader("m0")
        arm(members, "m1", "NOSPACE")
        wait(etcd, lambda group: named(group, "m1").alarms)
        rolling = Rolling(tmp_path, members, RULE)

        async def story() -> None:
            async with rolling.at_work():
                await rolling.wait_back("m1")
                await rolling.until(
                    lambda: "m1 of etcd has alarm NOSPACE" in rolling.held("m1"), lambda: rolling.held("m1")
                )
                assert rolling.order == ["m1"]
                arm(members, "m1", "NOSPACE", action="DEACTIVATE")

        asyncio.run(story())
        wait(etcd, whole)
        assert_well_ended(rolling, members)


def test_single_member_reboots_with_downtime_allowed_and_waits_without(binary: Path, tmp_path: Path) -> None:
    with begun(binary, tmp_path, 1) as members:
        wait(adapter(members), whole)
        waiting = Rolling(tmp_path / "waiting", members, RULE)

        async def nobody() -> None:
            async with waiting.at_work():
                await waiting.until(
                    lambda: "it stands still while m0 reboots" in waiting.held("m0"),
                    lambda: waiting.held("m0"),
                )
                waiting.abort()

        asyncio.run(nobody())
        assert waiting.order == []
        allowed = Rolling(tmp_path / "allowed", members, QuorumRule(soak_seconds=1, downtime="allow"))
        asyncio.run(to_the_end(allowed))
        wait(adapter(members), whole)
        assert {run.step for run in allowed.rollout.runs.values()} == {Step.DONE}
        assert (allowed.order, allowed.done("move-leader")) == (["m0"], 0)
