"""Each playbook as a user runs it: what it changes, that a second run changes nothing, and what it refuses."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import convert

from fleet.core.releases.release import Release
from fleet.machines.families.family import Family
from fleet.machines.families.registry import connect
from fleet.machines.job import unit_of
from tests.playbooks.box import Box, lacking, release

FAMILIES = ("ostree", "rpm-ostree", "bootc")
STAGED = {
    "ostree": ["ostree", "admin", "upgrade", "--override-commit={sum}", "--allow-downgrade"],
    "rpm-ostree": [
        *("rpm-ostree", "deploy", "--bypass-driver", "--lock-finalization", "--skip-branch-check"),
        "revision={sum}",
    ],
    "bootc": ["bootc", "switch", "quay.example:5000/os@sha256:{sum}"],
}


@contextmanager
def made(folder: Path, name: str) -> Iterator[Box]:
    missing = lacking()
    if missing:
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    box = Box(folder, name)
    try:
        yield box
    finally:
        box.close()


@pytest.mark.parametrize("name", FAMILIES)
def test_host_is_staged_rebooted_verified_and_rolled_back_once_each(tmp_path: Path, name: str) -> None:
    with made(tmp_path, name) as box:
        first_boot = box.boot_id()
        assert box.play("preflight").code == 0

        tried = box.play("stage", "2.0", "--check", "--diff")
        assert (tried.code, tried.changed, box.next(), box.state()["ran"]) == (0, 1, "1.0", []), tried.text
        assert f"-1.0 {release('1.0')['digest']}" in tried.text
        assert f"+2.0 {release('2.0')['digest']}" in tried.text

        staged = box.play("stage", "2.0")
        assert (staged.code, box.next(), box.booted()) == (0, "2.0", "1.0"), staged.text
        checksum = release("2.0")["digest"].removeprefix("sha256:")
        assert box.ran() == [[word.replace("{sum}", checksum) for word in STAGED[name]]]
        again = box.play("stage", "2.0")
        assert (again.code, again.changed, len(box.ran())) == (0, 0, 1), again.text

        tried = box.play("reboot", "2.0", "--check")
        assert (tried.code, tried.changed, box.boot_id()) == (0, 1, first_boot), tried.text
        rebooted = box.play("reboot", "2.0")
        assert (rebooted.code, box.booted()) == (0, "2.0"), rebooted.text
        second_boot = box.boot_id()
        assert second_boot != first_boot
        again = box.play("reboot", "2.0")
        assert (again.code, again.changed, box.boot_id()) == (0, 0, second_boot), again.text
        # By its digest, whether or not a version is named, and by the kernel without what its distribution appends.
        upstream = os.uname().release.partition("-")[0]
        reported = {"fleet_boot_id": first_boot, "fleet_version": "", "fleet_kernel": upstream}
        verified = box.play("verify", "2.0", **reported)
        assert (verified.code, verified.changed) == (0, 0), verified.text

        tried = box.play("rollback", "1.0", "--check", "--diff")
        assert (tried.code, tried.changed, box.next(), box.boot_id()) == (0, 1, "2.0", second_boot), (
            tried.text
        )
        back = box.play("rollback", "1.0")
        assert (back.code, box.booted()) == (0, "1.0"), back.text
        third_boot = box.boot_id()
        again = box.play("rollback", "1.0")
        assert (again.code, again.changed, box.boot_id()) == (0, 0, third_boot), again.text


@pytest.mark.parametrize("name", FAMILIES)
def test_facts_report_what_was_booted(tmp_path: Path, name: str) -> None:
    with made(tmp_path, name) as box:
        shown = box.play("facts", fleet_hosts="box")
        assert (shown.code, shown.changed) == (0, 0), shown.text
        for part in (f'"os": "{name}"', f'"boot_id": "{box.boot_id()}"', '"version": "1.0"'):
            assert part in shown.text
        assert ('"htop"' in shown.text) is (name == "rpm-ostree")
        box.install("ostree")
        box.save(etc=["M    motd"])
        assert '"M    motd"' in box.play("facts").text
        assert '"etc": null' in box.play("facts", fleet_compare_etc=False).text


def test_host_booted_by_bootc_belongs_to_bootc(tmp_path: Path) -> None:
    with made(tmp_path, "bootc") as box:
        box.install("rpm-ostree")
        assert '"os": "bootc"' in box.play("facts").text
        box.save(bootc_fails=True)
        failed = box.play("facts")
        assert "error: Status: Entry not found" in failed.message, failed.text
        assert "-e fleet_os=NAME" in failed.message
        composefs = {"verity": "956f", "bootType": "Bls", "bootloader": "grub"}
        box.save(
            bootc_fails=False,
            deployments=[{**each, "composefs": composefs} for each in box.state()["deployments"]],
        )
        (box.folder / "run/ostree-booted").unlink()
        assert '"os": "bootc"' in box.play("facts").text


def test_interrupted_run_finds_its_staging_again(tmp_path: Path) -> None:
    with made(tmp_path, "ostree") as box:
        box.save(looks=8)
        token = "r-1/n-1/stage/0"
        broken = box.play("stage", "2.0", fleet_token=token, fleet_stage_seconds=0.4)
        assert broken.code != 0, broken.text
        assert f"goes on in {unit_of(token)}: run this again, it is found there" in broken.message, (
            broken.text
        )
        assert (list(box.state()["units"]), box.next()) == ([unit_of(token)], "1.0")
        done = box.play("stage", "2.0", fleet_token=token)
        assert (done.code, box.next()) == (0, "2.0"), done.text
        assert len(box.ran()) == 1
        assert box.state()["units"] == {}
        assert list((box.folder / "run/fleet").iterdir()) == []


def test_failed_staging_reports_the_programs_message(tmp_path: Path) -> None:
    with made(tmp_path, "ostree") as box:
        failed = box.play("stage", "9.9")
        assert failed.code != 0
        assert f"error: No such object {release('9.9')['digest']}" in failed.message
        assert box.state()["units"] == {}


def test_a_host_that_came_back_with_the_old_release_was_rolled_back(tmp_path: Path) -> None:
    with made(tmp_path, "ostree") as box:
        assert box.play("stage", "2.0").code == 0
        box.save(falls_back=True)
        failed = box.play("reboot", "2.0")
        assert failed.code != 0
        assert "It came back with 1.0, not 2.0" in failed.message, failed.text
        assert box.play("verify", "2.0").code != 0
        logs = tmp_path / "logs"
        assert box.play("collect-logs", fleet_log_folder=str(logs)).code == 0
        assert (logs / "box/boot-1.log").read_text().strip() == "journal of --boot=-1"
        assert (logs / "box/boot0.log").stat().st_mode & 0o777 == 0o600


def test_refusals_have_remedies(tmp_path: Path) -> None:
    with made(tmp_path, "rpm-ostree") as box:
        assert "Which release? Add -e fleet_version=" in box.play("stage").message
        assert "run playbooks/stage.yaml first" in box.play("reboot", "2.0").message
        assert "There is nothing to roll back to, not 2.0" in box.play("rollback", "2.0").message
        box.save(active=["zincati.service"])
        refused = box.play("stage", "2.0")
        assert "systemctl disable --now zincati.service" in refused.message, refused.text
        box.save(active=[])
        (box.folder / "comm").write_text("kured\n")
        refused = box.play("stage", "2.0")
        assert "kured reboots this machine by itself" in refused.message, refused.text
        (box.folder / "comm").write_text("systemd\n")
        box.save(failed=["sshd.service"])
        assert "Failed: sshd.service" in box.play("preflight").message
        assert "fleet_free_mib requires" in box.play("preflight", fleet_free_mib=10**9).message
        (box.folder / "run/ostree-booted").unlink()
        assert "These playbooks know bootc, ostree, rpm-ostree; this host is box" in box.play("facts").message
        assert box.state()["ran"] == []


def test_reboot_scheduled_by_another_party_is_left_alone(tmp_path: Path) -> None:
    with made(tmp_path, "ostree") as box:
        schedule = box.folder / "run/systemd/shutdown/scheduled"
        schedule.parent.mkdir(parents=True)
        schedule.write_text("USEC=1796000000000000\nWARN_WALL=1\nMODE=reboot\nUID=0\n")
        reported = "a reboot is scheduled for 2026-11-30T00:53:20Z by root: wait"
        for step in ("preflight", "stage"):
            refused = box.play(step, "2.0")
            assert refused.code != 0
            assert reported in refused.message and "shutdown -c" in refused.message, refused.text
        assert box.ran() == []
        now = box.state()["deployments"]
        box.save(deployments=[{**release("2.0"), "serial": 0, "staged": True}, *now])
        before = box.boot_id()
        refused = box.play("reboot", "2.0")
        assert (refused.code != 0, box.boot_id()) == (True, before)
        assert reported in refused.message, refused.text


@pytest.mark.parametrize("name", FAMILIES)
def test_commands_are_those_of_the_os_family(tmp_path: Path, name: str) -> None:
    """fleet's own Family, on a host with the same answers, gives the same commands: over the agent, ssh or a playbook."""
    with made(tmp_path, name) as box:
        for step in ("stage", "reboot"):
            assert box.play(step, "2.0").code == 0
        assert box.play("rollback", "1.0").code == 0
        by_playbook = box.ran()
    with made(tmp_path / "own", name) as box:
        asyncio.run(to_and_fro(connect(name, box.sshd.host())))
        assert by_playbook == box.ran()


def test_rpm_ostree_rebases_to_an_image_and_to_a_commit_of_a_branch(tmp_path: Path) -> None:
    """By playbook and by fleet's own Family the same command: to an image, to a branch, within that branch."""
    image, branch = "ostree-unverified-registry:quay.example:5000/os", "box:next"
    commit = release("2.0")["digest"].removeprefix("sha256:")
    locked = ["--bypass-driver", "--lock-finalization"]
    cases: list[tuple[dict[str, str], str, list[str]]] = [
        ({"origin": "box:stable"}, image, ["rebase", *locked, f"{image}@sha256:{commit}"]),
        ({"image": f"{image}:stable"}, branch, ["rebase", *locked, branch, commit]),
        ({"origin": branch}, branch, ["deploy", *locked, "--skip-branch-check", f"revision={commit}"]),
    ]
    with made(tmp_path, "rpm-ostree") as box:
        machine = box.sshd.host()
        for booted, source, message in cases:
            now = [{**release("1.0"), "serial": 0, "booted": True, **booted}]
            box.save(deployments=now, ran=[])
            done = box.play("stage", "2.0", fleet_source=source)
            assert (done.code, box.next(), box.ran()) == (0, "2.0", [["rpm-ostree", *message]]), done.text
            box.save(deployments=now, ran=[])
            asyncio.run(
                connect("rpm-ostree", machine, source).stage(convert(release("2.0"), Release), print, "t")
            )
            assert (box.next(), box.ran()) == ("2.0", [["rpm-ostree", *message]])
        box.save(deployments=now, ran=[])
        refused = box.play("stage", "2.0", fleet_source="quay.io/x/y")
        assert "neither an image nor a branch: quay.io/x/y" in refused.message, refused.text
        assert box.ran() == []


async def to_and_fro(machine: Family) -> None:
    await machine.stage(convert(release("2.0"), Release), lambda _: None, "t")
    await machine.reboot()
    await machine.roll_back()
    await machine.reboot()
