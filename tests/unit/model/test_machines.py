"""Marks on nodes, requests to machines, and what a reboot changes."""

from dataclasses import replace as changed

import pytest
from msgspec.structs import replace

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import CORDON_ANNOTATION, ROLLOUT_ANNOTATION, Node
from fleet.core.objects.pod import Owner, PodRef
from fleet.core.releases.release import Release
from fleet.core.rollout.action import CancelRequest, Cordon, Mark, Result, Uncordon, Unmark
from fleet.core.rollout.event import Upserted
from fleet.model.behaviour import Failure
from tests.unit.model.builder import NEW, OLD, QUICK, ActionSender, Builder


def test_upgrade_changes_boot_id_release_kernel_and_image() -> None:
    sender = ActionSender(Builder().model())
    old = sender.node("n-1")
    sender.upgrade("n-1")

    sender.pass_time(42.1)

    node, machine = sender.node("n-1"), sender.machine("n-1")
    assert (node.os_image, node.kernel, node.ready) == ("Simulated OS 2.0", NEW.kernel, True)
    assert node.boot_id not in ("", old.boot_id)
    assert (machine.booted, machine.staged, machine.rollback) == (NEW, None, OLD)
    assert (machine.boot_id, machine.kernel) == (node.boot_id, NEW.kernel)
    work = machine.answer("r-1/n-1/reboot")
    assert work is not None and work.state == "done"


def test_short_reboot_is_never_seen_as_not_ready_and_a_long_one_is_unknown() -> None:
    for seconds, expected in ((40.0, {True}), (60.0, {True, None})):
        sender = ActionSender(Builder().model(changed(QUICK, reboot=seconds)))
        sender.upgrade("n-1")
        reported = sender.pass_time(100)
        seen = {
            event.obj.ready
            for _, event in reported
            if isinstance(event, Upserted) and isinstance(event.obj, Node)
        }
        assert seen == expected


def test_remaining_pods_are_not_ready_during_the_reboot_and_restart_in_place() -> None:
    sender = ActionSender(Builder(2).workload("net", 2, "DaemonSet").model())
    before = sender.pod("net-0")
    sender.upgrade("n-1")
    sender.pass_time(1.5)
    away = sender.pod("net-0")

    sender.pass_time(45)

    after = sender.pod("net-0")
    assert before is not None and away is not None and after is not None
    assert (away.ready, after.ready) == (False, True)
    assert before.uid == after.uid


def test_staging_reports_progress_and_writes_the_release_beside_the_booted_one() -> None:
    sender = ActionSender(Builder().model(changed(QUICK, stage_reports=3)))
    sender.stage("n-1")

    reported = sender.pass_time(61)

    works = [
        event.obj.work
        for _, event in reported
        if isinstance(event, Upserted) and isinstance(event.obj, Machine)
    ]
    assert [(work.state, work.percent) for work in works if work is not None] == [
        ("working", 0),
        ("working", 25),
        ("working", 50),
        ("working", 75),
        ("done", 100),
    ]
    assert (sender.machine("n-1").staged, sender.machine("n-1").booted) == (NEW, OLD)


def test_token_is_carried_out_once() -> None:
    sender = ActionSender(Builder().model())
    sender.upgrade("n-1")
    sender.pass_time(50)
    boot = sender.node("n-1").boot_id

    assert sender.reboot("n-1", "r-1/n-1/reboot").result is Result.DONE
    sender.pass_time(100)

    assert sender.node("n-1").boot_id == boot


@pytest.mark.parametrize(
    ("failure", "ready", "version"),
    [("never-back", None, "1.0"), ("old-version", True, "1.0"), ("not-ready", False, "2.0")],
)
def test_failing_reboots(failure: Failure, ready: bool | None, version: str) -> None:
    sender = ActionSender(Builder().model(changed(QUICK, failures={"n-1": failure})))
    old = sender.node("n-1").boot_id
    sender.upgrade("n-1")

    sender.pass_time(200)

    node, booted = sender.node("n-1"), sender.machine("n-1").booted
    assert (node.ready, node.boot_id != old) == (ready, failure != "never-back")
    assert booted is not None and booted.version == version
    assert node.os_image == f"Simulated OS {version}"


def test_boot_of_the_old_version_is_a_completed_reboot() -> None:
    sender = ActionSender(Builder().model(changed(QUICK, failures={"n-1": "old-version"})))
    sender.upgrade("n-1")
    sender.pass_time(50)

    machine = sender.machine("n-1")

    assert machine.work is not None and (machine.work.state, machine.work.message) == ("done", "booted 1.0")
    assert (machine.booted, machine.staged, machine.rollback) == (OLD, None, NEW)


def test_defect_of_a_release_is_on_every_machine_that_boots_it_and_gone_with_the_next() -> None:
    fixed = Release("2.1", "sha256:03", "6.2.1")
    sender = ActionSender(Builder().model(changed(QUICK, defects={NEW.version: "unit-fails"})))
    for node in ("n-1", "n-2"):
        sender.upgrade(node)
    sender.pass_time(50)
    assert [_failed_units(sender, node) for node in ("n-1", "n-2", "n-3")] == [1, 1, 0]

    sender(Uncordon, "n-1")
    sender.stage("n-1", "again/stage", fixed)
    sender.pass_time(62)
    sender(Cordon, "n-1")
    sender.reboot("n-1", "again/reboot", fixed)
    sender.pass_time(50)

    assert sender.machine("n-1").booted == fixed
    assert [_failed_units(sender, node) for node in ("n-1", "n-2", "n-3")] == [0, 1, 0]


def _failed_units(sender: ActionSender, node: str) -> int:
    units = sender.machine(node).units
    return len(units.failed) if units is not None else 0


def test_old_token_is_not_carried_out_again() -> None:
    sender = ActionSender(Builder().model())
    sender.upgrade("n-1")
    sender.pass_time(50)
    boot = sender.node("n-1").boot_id

    sender.stage("n-1", "r-1/n-1/stage")
    sender.pass_time(100)

    work = sender.machine("n-1").work
    assert work is not None and (work.token, work.state) == ("r-1/n-1/stage", "failed")
    assert sender.node("n-1").boot_id == boot


def test_staging_what_would_boot_anyway_is_done_at_once() -> None:
    sender = ActionSender(Builder().model())
    sender.stage("n-1", release=OLD)
    sender.pass_time(1)

    work = sender.machine("n-1").work
    assert work is not None and work.state == "done"
    assert sender.machine("n-1").staged is None


def test_failed_write_of_an_image_is_reported_and_nothing_is_staged() -> None:
    sender = ActionSender(Builder().model(changed(QUICK, failures={"n-1": "stage-fails"})))
    sender.stage("n-1")
    sender.pass_time(62)

    machine = sender.machine("n-1")

    assert machine.work is not None and machine.work.state == "failed"
    assert machine.staged is None


def test_reboot_into_an_unstaged_release_fails() -> None:
    sender = ActionSender(Builder().model())
    sender(Cordon, "n-1")
    sender.reboot("n-1")
    sender.pass_time(2)

    work = sender.machine("n-1").work
    assert work is not None and (work.state, work.message) == ("failed", "1.0 would boot, not 2.0")


def test_reboot_requires_our_cordon_and_the_known_boot() -> None:
    sender = ActionSender(Builder().model())
    bare = sender.reboot("n-1").result
    sender(Cordon, "n-1")
    other = sender.reboot("n-1", boot_id="another").result
    sender.model.stranger.cordon("n-2")
    foreign = sender.reboot("n-2").result

    assert bare is other is foreign is Result.STALE
    assert sender.machine("n-1").request is None


def test_cordons_of_others_are_left_alone() -> None:
    sender = ActionSender(Builder().model())
    sender.model.stranger.cordon("n-1")

    cordon, uncordon = sender(Cordon, "n-1"), sender(Uncordon, "n-1")

    assert (cordon.result, uncordon.result) == (Result.STALE, Result.DONE)
    assert "stays" in uncordon.detail
    assert sender.node("n-1").unschedulable
    assert CORDON_ANNOTATION not in sender.node("n-1").annotations


def test_cordon_of_another_rollout_is_left_alone() -> None:
    sender = ActionSender(Builder().model())
    sender(Cordon, "n-1", rollout="r-2")

    assert sender(Cordon, "n-1").result is Result.STALE
    sender(Uncordon, "n-1")
    assert sender.node("n-1").cordoned_by == "r-2"


def test_marks_and_cordons_are_idempotent_and_leave_nothing_behind() -> None:
    sender = ActionSender(Builder().model())
    before = sender.node("n-1")
    for kind in (Mark, Mark, Cordon, Cordon):
        assert sender(kind, "n-1").result is Result.DONE
    marked = sender.node("n-1")
    reported = len(sender.pass_time(0))

    sender(Uncordon, "n-1")

    after = sender.node("n-1")
    assert (marked.pending_taint, marked.cordoned_by, marked.annotations[ROLLOUT_ANNOTATION]) == (
        True,
        "r-1",
        "r-1",
    )
    assert reported == 2
    assert replace(after, resource_version="") == replace(before, resource_version="")


def test_unmark_removes_only_the_marks_of_its_rollout() -> None:
    sender = ActionSender(Builder().model())
    sender(Mark, "n-1", rollout="r-2")

    sender(Unmark, "n-1")
    kept = sender.node("n-1").pending_taint
    sender(Unmark, "n-1", rollout="r-2")

    assert (kept, sender.node("n-1").pending_taint) == (True, False)


def test_another_machine_under_the_same_name_is_not_touched() -> None:
    sender = ActionSender(Builder().model())
    sender.model.stranger.add_node(replace(Builder.node("n-1"), uid="uid-new"))

    for kind in (Mark, Cordon, Uncordon, Unmark):
        assert sender(kind, "n-1").result is Result.GONE
    assert not sender.node("n-1").unschedulable


def test_clear_removes_the_request_of_its_rollout_alone() -> None:
    sender = ActionSender(Builder().model())
    sender.stage("n-1", "r-12/n-1/stage")
    sender(CancelRequest, "n-1")
    kept = sender.machine("n-1").request
    sender(CancelRequest, "n-1", rollout="r-12")

    assert kept is not None
    assert sender.machine("n-1").request is None
    sender.pass_time(100)
    assert sender.machine("n-1").staged is None


def test_node_that_stays_away_is_unknown_and_its_pods_are_recreated_elsewhere() -> None:
    sender = ActionSender(
        Builder(2).workload("shop", 1).model(changed(QUICK, failures={"n-1": "never-back"}))
    )
    sender.model.actions.looks = False
    sender.upgrade("n-1")

    sender.pass_time(46)
    unknown, first = sender.node("n-1").ready, sender.pods("shop")
    sender.pass_time(310)

    stuck, new = sender.pods("shop")
    assert (unknown, len(first), first[0].deleting) == (None, 1, False)
    assert (stuck.node, stuck.deleting, new.node, new.ready) == ("n-1", True, "n-2", True)


def test_deleted_node_takes_its_pods_and_its_machine_with_it() -> None:
    builder = Builder(2).workload("shop", 2).pod("etcd", 0, owner=Owner("Node", "n-1"), mirror=True)
    sender = ActionSender(builder.model())

    sender.model.stranger.delete_node("n-1")

    assert {pod.node for pod in sender.pods("shop")} == {"n-2"}
    assert len(sender.pods("shop")) == 2
    assert sender.pod("etcd") is None
    assert [machine.name for machine in sender.model.snapshot(builder.snapshot().at).machines] == ["n-2"]


def test_unreachable_node_neither_starts_nor_stops_pods() -> None:
    sender = ActionSender(Builder(2).workload("shop", 2).model())
    sender.model.stranger.node_ready("n-1", None)
    sender.model.stranger.delete_pod(PodRef("web", "shop-rs-0"))
    sender.pass_time(100)
    stuck = sender.pod("shop-rs-0")

    sender.model.stranger.node_ready("n-1", True)

    assert stuck is not None and stuck.deleting
    assert sender.pod("shop-rs-0") is None
