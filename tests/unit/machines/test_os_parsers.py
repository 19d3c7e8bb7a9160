"""Status outputs of real programs are read rightly, and what is not understood is refused with its text."""

from __future__ import annotations

import json

import pytest

from fleet.core.releases.release import Release
from fleet.machines.errors import MachineError
from fleet.machines.families import (
    bootc,
    bootc_status,
    bottlerocket,
    flatcar,
    ostree,
    rauc,
    rpm_ostree,
    talos,
    transactional,
)
from fleet.machines.families.shared import os_release
from tests.unit.machines import recorded


def test_rpm_ostree_uses_the_image_digest() -> None:
    status = rpm_ostree.parse(recorded.RPM_OSTREE_IMAGE)
    digest = "sha256:ca99893c80a7b84dd84d4143bd27538207c2f38ab6647a58d9c8caa251f9a087"
    assert status.booted.release == Release("43.20251024.3.0", digest)
    assert status.staged is None
    assert status.rollback is None


@pytest.mark.parametrize("name", ["rpm-ostree-status.json", "rpm-ostree-status-annotation.json"])
def test_rpm_ostree_reads_zincatis_metadata(name: str) -> None:
    assert rpm_ostree.parse(recorded.shared(f"rpm-ostree/{name}")).booted.booted


def test_rpm_ostree_reports_a_staged_and_locked_commit() -> None:
    status = rpm_ostree.parse(recorded.shared("rpm-ostree/rpm-ostree-staged.json"))
    commit = "967b7b8d624e6d10ff51c2e81ef198fae966c567ac2e9b479771c693d0987949"
    assert status.staged is not None
    assert status.staged.finalization_locked
    assert status.staged.release == Release("31.20200517.3.0", f"sha256:{commit}")
    assert status.booted.release.version == "31.20200505.3.0"


def test_rpm_ostree_stages_an_image_by_digest_and_a_commit_by_revision() -> None:
    image = rpm_ostree.parse(recorded.RPM_OSTREE_IMAGE).booted
    wanted = Release("44", f"sha256:{'0' * 64}")
    assert rpm_ostree.stage_command(image, wanted)[-1] == (
        f"ostree-image-signed:docker://quay.io/fedora/fedora-coreos@sha256:{'0' * 64}"
    )
    commit = rpm_ostree.RpmOstreeDeployment("aa")
    assert rpm_ostree.stage_command(commit, wanted)[-1] == f"revision={'0' * 64}"
    with pytest.raises(MachineError, match="no digest"):
        rpm_ostree.stage_command(image, Release("44"))


BRANCH = "fedora:fedora/x86_64/coreos/stable"
IMAGE = "ostree-unverified-registry:quay.example:5000/os"


@pytest.mark.parametrize(
    ("booted", "source", "message"),
    [
        (
            rpm_ostree.RpmOstreeDeployment("aa", origin=BRANCH),
            IMAGE,
            ["rebase", f"{IMAGE}@sha256:{'0' * 64}"],
        ),
        (rpm_ostree.RpmOstreeDeployment("aa", origin="fedora:other"), BRANCH, ["rebase", BRANCH, "0" * 64]),
        # "Old and new refs are equal" is what a rebase to the booted branch is answered.
        (rpm_ostree.RpmOstreeDeployment("aa", origin=BRANCH), BRANCH, ["deploy", f"revision={'0' * 64}"]),
        (
            rpm_ostree.RpmOstreeDeployment("aa", origin=BRANCH, container_image_reference=f"{IMAGE}:stable"),
            BRANCH,
            ["rebase", BRANCH, "0" * 64],
        ),
    ],
)
def test_rpm_ostree_rebases_to_another_image_or_to_a_commit_of_another_branch(
    booted: rpm_ostree.RpmOstreeDeployment, source: str, message: list[str]
) -> None:
    argv = rpm_ostree.stage_command(booted, Release("44", f"sha256:{'0' * 64}"), source)
    assert [word for word in argv[1:] if not word.startswith("--")] == message
    assert "--lock-finalization" in argv


def test_rpm_ostree_refuses_a_source_that_is_neither_an_image_nor_a_branch() -> None:
    wanted = Release("44", f"sha256:{'0' * 64}")
    for source in ("quay.io/x/y", "https://updates.example/os", "--reboot"):
        with pytest.raises(MachineError, match=f"{source}.*neither an image"):
            rpm_ostree.stage_command(rpm_ostree.RpmOstreeDeployment("aa"), wanted, source)
    with pytest.raises(MachineError, match="no digest"):
        rpm_ostree.stage_command(rpm_ostree.RpmOstreeDeployment("aa"), Release("44"), BRANCH)


def test_bootc_reports_that_it_has_not_booted_the_machine() -> None:
    status = bootc_status.parse(
        '{"apiVersion":"org.containers.bootc/v1","kind":"BootcHost","metadata":{"name":"host"},'
        '"spec":{"image":null,"bootOrder":"default"},"status":{"staged":null,"booted":null,"rollback":null,'
        '"rollbackQueued":false,"type":null}}'
    )
    with pytest.raises(MachineError, match="not booted by bootc"):
        bootc_status.booted(status)


def test_bootc_switches_within_the_booted_repository() -> None:
    image = bootc_status.BootcImage(bootc_status.BootcImageReference("localhost:5000/os:latest"), "sha256:aa")
    argv = bootc.switch(bootc_status.BootcDeployment(image), Release("2", f"sha256:{'0' * 64}"))
    assert argv == ("bootc", "switch", f"localhost:5000/os@sha256:{'0' * 64}")


def test_ostree_reports_booted_and_rollback() -> None:
    status = ostree.parse(recorded.OSTREE_BOOTED_ROLLBACK)
    assert status.booted.checksum.startswith("435b6162")
    assert status.booted.serial == 15
    assert status.staged is None
    assert status.rollback is not None
    assert status.rollback.checksum.startswith("f315bbe0")


def test_ostree_reports_pending() -> None:
    status = ostree.parse(recorded.OSTREE_PENDING)
    assert status.staged is not None
    assert status.staged.refspec == "toradex-nightly:torizon-core-docker"
    assert status.rollback is None


def test_ostree_reports_versions_and_ignores_unlocked() -> None:
    assert (
        ostree.parse(recorded.OSTREE_VERSIONS).booted.release.version == "7.7.0-devel-20260821082328+build.0"
    )
    assert ostree.parse(recorded.OSTREE_UNLOCKED).booted.release.version == "2016.0.169"


def test_ostree_finds_its_origin_file() -> None:
    back = ostree.parse(recorded.OSTREE_VERSIONS).rollback
    assert back is not None
    assert back.origin_file.startswith("/sysroot/ostree/deploy/torizon/deploy/2e53")
    assert back.origin_file.endswith(".2.origin")


def test_rauc_decides_by_slot_states_and_not_by_the_name_booted() -> None:
    status = rauc.parse(recorded.RAUC_113)
    assert status.booted is not None and status.booted.name == "rootfs.0"
    assert status.next is status.booted
    assert status.booted.release is None


def test_rauc_reports_what_a_bundle_wrote() -> None:
    detailed = json.loads(recorded.RAUC_113)
    detailed["boot_primary"] = "rootfs.1"
    detailed["slots"][0]["rootfs.1"]["slot_status"] = {
        "bundle": {"compatible": "steamos-amd64", "version": "2.0"},
        "checksum": {"sha256": "ab" * 32},
        "status": "ok",
    }
    status = rauc.parse(json.dumps(detailed))
    assert status.staged == Release("2.0", f"sha256:{'ab' * 32}")
    assert status.rollback is None


def test_rauc_rolls_back_to_the_other_slot_of_the_same_class() -> None:
    status = rauc.parse(recorded.RAUC_RESCUE)
    assert status.booted is not None and status.booted.name == "rootfs.1"
    assert status.staged is None
    assert status.rollback is not None and status.rollback.release == Release("1.0", "sha256:OLD")
    bad = json.loads(recorded.RAUC_RESCUE)
    bad["slots"][3]["rootfs.0"]["boot_status"] = "bad"
    assert rauc.parse(json.dumps(bad)).rollback is None


def test_rauc_has_no_rollback_in_the_rescue_slot_or_while_another_slot_waits() -> None:
    rescued = json.loads(recorded.RAUC_RESCUE)
    rescued["slots"][0]["rescue.0"]["state"] = "booted"
    rescued["slots"][4]["rootfs.1"]["state"] = "inactive"
    status = rauc.parse(json.dumps(rescued))
    assert status.staged == Release("2.0", "sha256:NEW")
    assert status.rollback is None
    waits = json.loads(recorded.RAUC_RESCUE)
    waits["boot_primary"] = "rescue.0"
    status = rauc.parse(json.dumps(waits))
    assert (status.staged, status.rollback) == (Release("0.9", "sha256:RESCUE"), None)


@pytest.mark.parametrize("primary", [None, "appfs.0", "elsewhere"])
def test_rauc_without_a_primary_slot_is_not_taken_to_boot_the_booted_one(
    primary: str | None,
) -> None:
    status = json.loads(recorded.RAUC_RESCUE)
    status["boot_primary"] = primary
    found = rauc.parse(json.dumps(status))
    assert found.booted is not None
    assert found.staged is not None and found.staged.version.startswith("unknown: ")
    assert found.rollback is None


def test_rauc_booted_from_another_medium_has_no_booted_slot() -> None:
    status = json.loads(recorded.RAUC_RESCUE)
    status["slots"][4]["rootfs.1"]["state"] = "inactive"
    with pytest.raises(MachineError, match=r"no single booted slot"):
        rauc.parse(json.dumps(status))
    for medium in ("_external_", "/dev/nfs"):
        status["booted"] = medium
        found = rauc.parse(json.dumps(status))
        assert (found.booted, found.rollback) == (None, None)
        assert found.staged == Release("2.0", "sha256:NEW")


def test_rauc_needs_no_fields_without_a_release() -> None:
    status = json.loads(recorded.RAUC_RESCUE)
    known = rauc.parse(json.dumps(status))
    status["compatible"] = None
    del status["variant"]
    assert rauc.parse(json.dumps(status)) == known


def test_rauc_refuses_an_unknown_slot_state_by_name() -> None:
    status = json.loads(recorded.RAUC_RESCUE)
    status["slots"][3]["rootfs.0"]["state"] = "half-written"
    with pytest.raises(MachineError, match=r"rootfs\.0 'half-written'"):
        rauc.parse(json.dumps(status))
    # What is not booted does not matter.
    status["slots"][3]["rootfs.0"]["state"] = "inactive"
    status["slots"][1]["appfs.0"]["state"] = "half-written"
    assert rauc.parse(json.dumps(status)).rollback is not None


def test_update_engine_does_not_report_the_waiting_version() -> None:
    status = flatcar.parse(recorded.UPDATE_ENGINE)
    assert status.operation is flatcar.Operation.NEED_REBOOT
    assert status.new_version == ""
    assert flatcar.parse(recorded.UPDATE_ENGINE_IDLE).operation is flatcar.Operation.IDLE


@pytest.mark.parametrize(
    "text",
    [
        "CURRENT_OP=UPDATE_STATUS_UPDATED_NEED_REBOOT\n",
        "PROGRESS=nan%\nCURRENT_OP=UPDATE_STATUS_UPDATED_NEED_REBOOT\nNEW_VERSION=4152.2.0\nNEW_FIELD=a=b\n",
    ],
)
def test_update_engine_needs_to_report_only_its_state(text: str) -> None:
    assert flatcar.parse(text).operation is flatcar.Operation.NEED_REBOOT


@pytest.mark.parametrize("operation", list(flatcar.Operation))
def test_every_state_of_update_engine_is_known(operation: flatcar.Operation) -> None:
    text = recorded.UPDATE_ENGINE_IDLE.replace("UPDATE_STATUS_IDLE", operation)
    assert flatcar.parse(text).operation is operation


def test_bottlerocket_reports_active_and_staging() -> None:
    status = bottlerocket.parse(recorded.BOTTLEROCKET_READY)
    assert status.staged == Release("1.15.0")
    assert bottlerocket.parse_os(recorded.BOTTLEROCKET_OS) == Release("1.14.0")
    assert bottlerocket.parse_os('{"version-id": "1.50.0", "extensions": [{"name": "x"}]}') == Release(
        "1.50.0"
    )


@pytest.mark.parametrize(
    ("change", "staged"),
    [
        ({"update_state": "Idle", "active_partition": None, "staging_partition": None}, None),
        ({"staging_partition": None}, "unknown: the partition that boots next"),
        ({"staging_partition": None, "active_partition": {"image": {"version": "1.14.0"}}}, None),
        ({"waves": {"seed": 5}, "chosen_update": None, "most_recent_command": None}, "1.15.0"),
    ],
)
def test_bottlerocket_reports_what_boots_next_by_both_partitions(
    change: dict[str, object], staged: str | None
) -> None:
    document = json.loads(recorded.BOTTLEROCKET_READY.partition("\n")[2])
    found = bottlerocket.parse(json.dumps(document | change)).staged
    assert (found is None) == (staged is None)
    assert found is None or found.version.startswith(staged or "")


def test_bottlerocket_refuses_an_unknown_state_by_name() -> None:
    text = recorded.BOTTLEROCKET_READY.replace('"Ready"', '"Deferred"')
    with pytest.raises(MachineError, match=r"'Deferred' is none of Idle"):
        bottlerocket.parse(text)


def test_snapper_reports_active_default_and_fleets_note() -> None:
    snapshots = transactional.parse(recorded.SNAPPER)
    assert (snapshots.active.number, snapshots.default.number) == (1, 2)
    assert snapshots.active.noted is None
    assert snapshots.default.noted == Release("6.1-5", "sha256:aa")


@pytest.mark.parametrize(
    ("state", "number"),
    [
        ('LAST_WORKING_SNAPSHOTS="1 2"\n', 2),
        ("LAST_WORKING_SNAPSHOTS=' 2 1 99 3'\nUNUSED_SNAPSHOTS=\"\"\n", 2),
        ('LAST_WORKING_SNAPSHOTS="1"\n', None),
        ('LAST_WORKING_SNAPSHOTS=""\n', None),
        ("", None),
    ],
)
def test_rollback_is_a_snapshot_that_worked_and_exists(state: str, number: int | None) -> None:
    found = transactional.last_working(state, transactional.parse(recorded.SNAPPER))
    assert (found.number if found else None) == number


@pytest.mark.parametrize(
    ("fields", "version"),
    [
        ({"ID": "opensuse-microos", "VERSION_ID": "20261127"}, "20261127"),
        ({"ID": "sl-micro", "VERSION_ID": "6.1"}, ""),
        ({"ID": "sle-micro", "VERSION_ID": "5.5"}, ""),
        ({"ID": "sles", "VARIANT_ID": "transactional", "VERSION_ID": "16.0"}, ""),
        ({"ID": "opensuse-leap-micro", "VERSION_ID": "6.2", "IMAGE_VERSION": "6.2.20261127"}, "6.2.20261127"),
        ({}, ""),
    ],
)
def test_product_version_is_no_release(fields: dict[str, str], version: str) -> None:
    assert transactional.own_version(fields) == version


def test_snapper_with_two_file_systems_or_without_a_default_is_refused() -> None:
    listed = json.loads(recorded.SNAPPER)
    with pytest.raises(MachineError, match="no single active"):
        transactional.parse(json.dumps(listed | {"home": listed["root"]}))
    listed["root"][2]["default"] = False
    with pytest.raises(MachineError, match="no single active"):
        transactional.parse(json.dumps(listed))


def test_talos_reports_its_staged_image() -> None:
    assert talos.parse_meta(recorded.TALOS_META) == "ghcr.io/siderolabs/installer:v1.9.5"
    # Where a newer talosctl quotes the key, and tells more of it.
    named = recorded.TALOS_META.replace('"id": 7', '"id": "0x07", "labels": {}')
    assert talos.parse_meta(named) == "ghcr.io/siderolabs/installer:v1.9.5"
    assert talos.parse_meta(recorded.TALOS_META.replace('"id": 7', '"id": 10')) == ""
    assert talos.parse_meta("") == ""


def test_talos_is_identified_by_its_image() -> None:
    assert talos.release_of("factory.talos.dev/installer/3765:v1.8.0") == Release("v1.8.0")
    digest = f"sha256:{'0' * 64}"
    assert talos.release_of(f"ghcr.io/installer:v1.8.0@{digest}") == Release("v1.8.0", digest)
    assert talos.release_of(f"localhost:5000/installer@{digest}") == Release(digest, digest)
    assert talos.release_of("localhost:5000/installer").version.startswith("unknown: ")
    assert talos.parse_os_release('NAME="Talos"\nID=talos\nVERSION_ID=v1.8.0\n') == Release("v1.8.0")


@pytest.mark.parametrize(
    "parse",
    [
        rpm_ostree.parse,
        bootc_status.parse,
        ostree.parse,
        rauc.parse,
        flatcar.parse,
        bottlerocket.parse,
        bottlerocket.parse_os,
        transactional.parse,
        talos.parse_meta,
    ],
)
@pytest.mark.parametrize("text", ["error: Connection refused", '{"deployments": 7, "slots": {}}', "x=y z"])
def test_invalid_output_is_refused_with_its_text(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(MachineError) as refused:
        parse(text)
    assert text[:12] in refused.value.message.replace('\\"', '"')


@pytest.mark.parametrize(
    "text",
    ["", "  a 12.0\n", "* a " + "0" * 64 + ".0\n* a " + "1" * 64 + ".0\n", "* a " + "0" * 64 + ".0 (odd)\n"],
)
def test_ostree_refuses_a_list_without_exactly_one_booted_deployment(text: str) -> None:
    with pytest.raises(MachineError):
        ostree.parse(text)


def test_invalid_line_of_os_release_is_ignored() -> None:
    lines = ["NAME=Foo Bar", "<<<<<<< HEAD", "# ID=no", "", "export X=1", "PRETTY_NAME='It is \"so\"'"]
    lines += ['A="open', "VERSION_ID=1.2 ", 'VERSION_ID="1.3"']
    fields = os_release.parse("\n".join(lines))
    assert fields["NAME"] == "Foo Bar"
    assert fields["PRETTY_NAME"] == 'It is "so"'
    assert fields["A"] == '"open'
    assert os_release.version(fields) == "1.3"
    assert "ID" not in fields


@pytest.mark.parametrize("text", ["", "\n", "cat: /etc/os-release: no such file", '{"ID": 1}'])
def test_text_without_assignments_is_no_os_release(text: str) -> None:
    with pytest.raises(MachineError, match="no assignment"):
        os_release.parse(text)
