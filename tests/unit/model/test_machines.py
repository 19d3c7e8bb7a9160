"""Marks on nodes, requests to machines, and what a reboot changes."""

from dataclasses import replace as changed

import pytest
from msgspec.structs import replace

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import CORDON_ANNOTATION, ROLLOUT_ANNOTATION, Node
from fleet.core.objects.pod import Owner, PodRef
from fleet.core.rollout.action import CancelRequest, Cordon, Mark, Result, Uncordon, Unmark
from fleet.core.rollout.event import Upserted
from fleet.model.behaviour import Failure
from tests.unit.model.builder import NEW, OLD, QUICK, Builder, Hand


def test_upgrade_changes_boot_id_release_kernel_and_image() -> None:
    hand = Hand(Builder().model())
    old = hand.node("n-1")
    hand.upgrade("n-1")

    hand.pass_time(42.1)

    node, machine = hand.node("n-1"), hand.machine("n-1")
    assert (node.os_image, node.kernel, node.ready) == ("Simulated OS 2.0", NEW.kernel, True)
    assert node.boot_id not in ("", old.boot_id)
    assert (machine.booted, machine.staged, machine.rollback) == (NEW, None, OLD)
    assert (machine.boot_id, machine.kernel) == (node.boot_id, NEW.kernel)
    work = machine.answer("r-1/n-1/reboot")
    assert work is not None and work.state == "done"


def test_short_reboot_is_never_seen_as_not_ready_and_a_long_one_is_unknown() -> None:
    for seconds, expected in ((40.0, {True}), (60.0, {True, None})):
        hand = Hand(Builder().model(changed(QUICK, reboot=seconds)))
        hand.upgrade("n-1")
        told = hand.pass_time(100)
        seen = {
            event.obj.ready
            for _, event in told
            if isinstance(event, Upserted) and isinstance(event.obj, Node)
        }
        assert seen == expected


def test_remaining_pods_are_not_ready_during_the_reboot_and_restart_in_place() -> None:
    hand = Hand(Builder(2).workload("net", 2, "DaemonSet").model())
    before = hand.pod("net-0")
    hand.upgrade("n-1")
    hand.pass_time(1.5)
    away = hand.pod("net-0")

    hand.pass_time(45)

    after = hand.pod("net-0")
    assert before is not None and away is not None and after is not None
    assert (away.ready, after.ready) == (False, True)
    assert before.uid == after.uid


def test_staging_reports_progress_and_writes_the_release_beside_the_booted_one() -> None:
    hand = Hand(Builder().model(changed(QUICK, stage_reports=3)))
    hand.stage("n-1")

    told = hand.pass_time(61)

    works = [
        event.obj.work for _, event in told if isinstance(event, Upserted) and isinstance(event.obj, Machine)
    ]
    assert [(work.state, work.percent) for work in works if work is not None] == [
        ("working", 0),
        ("working", 25),
        ("working", 50),
        ("working", 75),
        ("done", 100),
    ]
    assert (hand.machine("n-1").staged, hand.machine("n-1").booted) == (NEW, OLD)


def test_token_is_carried_out_once() -> None:
    hand = Hand(Builder().model())
    hand.upgrade("n-1")
    hand.pass_time(50)
    boot = hand.node("n-1").boot_id

    assert hand.reboot("n-1", "r-1/n-1/reboot").result is Result.DONE
    hand.pass_time(100)

    assert hand.node("n-1").boot_id == boot


@pytest.mark.parametrize(
    ("failure", "ready", "version"),
    [("never-back", None, "1.0"), ("old-version", True, "1.0"), ("not-ready", False, "2.0")],
)
def test_failing_reboots(failure: Failure, ready: bool | None, version: str) -> None:
    hand = Hand(Builder().model(changed(QUICK, failures={"n-1": failure})))
    old = hand.node("n-1").boot_id
    hand.upgrade("n-1")

    hand.pass_time(200)

    node, booted = hand.node("n-1"), hand.machine("n-1").booted
    assert (node.ready, node.boot_id != old) == (ready, failure != "never-back")
    assert booted is not None and booted.version == version
    assert node.os_image == f"Simulated OS {version}"


def test_boot_of_the_old_version_is_a_completed_reboot() -> None:
    hand = Hand(Builder().model(changed(QUICK, failures={"n-1": "old-version"})))
    hand.upgrade("n-1")
    hand.pass_time(50)

    machine = hand.machine("n-1")

    assert machine.work is not None and (machine.work.state, machine.work.message) == ("done", "booted 1.0")
    assert (machine.booted, machine.staged, machine.rollback) == (OLD, None, NEW)


def test_old_token_is_not_carried_out_again() -> None:
    hand = Hand(Builder().model())
    hand.upgrade("n-1")
    hand.pass_time(50)
    boot = hand.node("n-1").boot_id

    hand.stage("n-1", "r-1/n-1/stage")
    hand.pass_time(100)

    work = hand.machine("n-1").work
    assert work is not None and (work.token, work.state) == ("r-1/n-1/stage", "failed")
    assert hand.node("n-1").boot_id == boot


def test_staging_what_would_boot_anyway_is_done_at_once() -> None:
    hand = Hand(Builder().model())
    hand.stage("n-1", release=OLD)
    hand.pass_time(1)

    work = hand.machine("n-1").work
    assert work is not None and work.state == "done"
    assert hand.machine("n-1").staged is None


def test_failed_write_of_an_image_is_reported_and_nothing_is_staged() -> None:
    hand = Hand(Builder().model(changed(QUICK, failures={"n-1": "stage-fails"})))
    hand.stage("n-1")
    hand.pass_time(62)

    machine = hand.machine("n-1")

    assert machine.work is not None and machine.work.state == "failed"
    assert machine.staged is None


def test_reboot_into_an_unstaged_release_fails() -> None:
    hand = Hand(Builder().model())
    hand(Cordon, "n-1")
    hand.reboot("n-1")
    hand.pass_time(2)

    work = hand.machine("n-1").work
    assert work is not None and (work.state, work.message) == ("failed", "1.0 would boot, not 2.0")


def test_reboot_requires_our_cordon_and_the_known_boot() -> None:
    hand = Hand(Builder().model())
    bare = hand.reboot("n-1").result
    hand(Cordon, "n-1")
    other = hand.reboot("n-1", boot_id="another").result
    hand.model.stranger.cordon("n-2")
    foreign = hand.reboot("n-2").result

    assert bare is other is foreign is Result.STALE
    assert hand.machine("n-1").request is None


def test_cordons_of_others_are_left_alone() -> None:
    hand = Hand(Builder().model())
    hand.model.stranger.cordon("n-1")

    cordon, uncordon = hand(Cordon, "n-1"), hand(Uncordon, "n-1")

    assert (cordon.result, uncordon.result) == (Result.STALE, Result.DONE)
    assert "stays" in uncordon.detail
    assert hand.node("n-1").unschedulable
    assert CORDON_ANNOTATION not in hand.node("n-1").annotations


def test_cordon_of_another_rollout_is_left_alone() -> None:
    hand = Hand(Builder().model())
    hand(Cordon, "n-1", rollout="r-2")

    assert hand(Cordon, "n-1").result is Result.STALE
    hand(Uncordon, "n-1")
    assert hand.node("n-1").cordoned_by == "r-2"


def test_marks_and_cordons_are_idempotent_and_leave_nothing_behind() -> None:
    hand = Hand(Builder().model())
    before = hand.node("n-1")
    for kind in (Mark, Mark, Cordon, Cordon):
        assert hand(kind, "n-1").result is Result.DONE
    marked = hand.node("n-1")
    told = len(hand.pass_time(0))

    hand(Uncordon, "n-1")

    after = hand.node("n-1")
    assert (marked.pending_taint, marked.cordoned_by, marked.annotations[ROLLOUT_ANNOTATION]) == (
        True,
        "r-1",
        "r-1",
    )
    assert told == 2
    assert replace(after, resource_version="") == replace(before, resource_version="")


def test_unmark_removes_only_the_marks_of_its_rollout() -> None:
    hand = Hand(Builder().model())
    hand(Mark, "n-1", rollout="r-2")

    hand(Unmark, "n-1")
    kept = hand.node("n-1").pending_taint
    hand(Unmark, "n-1", rollout="r-2")

    assert (kept, hand.node("n-1").pending_taint) == (True, False)


def test_another_machine_under_the_same_name_is_not_touched() -> None:
    hand = Hand(Builder().model())
    hand.model.stranger.add_node(replace(Builder.node("n-1"), uid="uid-new"))

    for kind in (Mark, Cordon, Uncordon, Unmark):
        assert hand(kind, "n-1").result is Result.GONE
    assert not hand.node("n-1").unschedulable


def test_clear_removes_the_request_of_its_rollout_alone() -> None:
    hand = Hand(Builder().model())
    hand.stage("n-1", "r-12/n-1/stage")
    hand(CancelRequest, "n-1")
    kept = hand.machine("n-1").request
    hand(CancelRequest, "n-1", rollout="r-12")

    assert kept is not None
    assert hand.machine("n-1").request is None
    hand.pass_time(100)
    assert hand.machine("n-1").staged is None


def test_node_that_stays_away_is_unknown_and_its_pods_are_recreated_elsewhere() -> None:
    hand = Hand(Builder(2).workload("shop", 1).model(changed(QUICK, failures={"n-1": "never-back"})))
    hand.model.actions.looks = False
    hand.upgrade("n-1")

    hand.pass_time(46)
    unknown, first = hand.node("n-1").ready, hand.pods("shop")
    hand.pass_time(310)

    stuck, new = hand.pods("shop")
    assert (unknown, len(first), first[0].deleting) == (None, 1, False)
    assert (stuck.node, stuck.deleting, new.node, new.ready) == ("n-1", True, "n-2", True)


def test_deleted_node_takes_its_pods_and_its_machine_with_it() -> None:
    builder = Builder(2).workload("shop", 2).pod("etcd", 0, owner=Owner("Node", "n-1"), mirror=True)
    hand = Hand(builder.model())

    hand.model.stranger.delete_node("n-1")

    assert {pod.node for pod in hand.pods("shop")} == {"n-2"}
    assert len(hand.pods("shop")) == 2
    assert hand.pod("etcd") is None
    assert [machine.name for machine in hand.model.snapshot(builder.snapshot().at).machines] == ["n-2"]


def test_unreachable_node_neither_starts_nor_stops_pods() -> None:
    hand = Hand(Builder(2).workload("shop", 2).model())
    hand.model.stranger.node_ready("n-1", None)
    hand.model.stranger.delete_pod(PodRef("web", "shop-rs-0"))
    hand.pass_time(100)
    stuck = hand.pod("shop-rs-0")

    hand.model.stranger.node_ready("n-1", True)

    assert stuck is not None and stuck.deleting
    assert hand.pod("shop-rs-0") is None
