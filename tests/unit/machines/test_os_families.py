"""A family runs the right commands in the right order, on machines that hold state."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fleet.core.releases.release import Release
from fleet.machines.errors import MachineError
from fleet.machines.families import bottlerocket, flatcar
from fleet.machines.families.bottlerocket import Bottlerocket
from fleet.machines.families.detect import detect, family_of, parse_signs
from fleet.machines.families.family import Family
from fleet.machines.families.flatcar import Flatcar
from fleet.machines.families.ostree import Ostree
from fleet.machines.families.rauc import Rauc
from fleet.machines.families.registry import connect
from fleet.machines.families.rpm_ostree import RpmOstree
from fleet.machines.families.signs import Signs
from fleet.machines.families.talos import Talos
from fleet.machines.host import CommandResult
from fleet.machines.local import Local
from tests.unit.machines import recorded
from tests.unit.machines.fakehost import FakeHost

OLD = Release("1.0", f"sha256:{'a' * 64}")
NEW = Release("2.0", f"sha256:{'b' * 64}")


class RpmOstreeBox(FakeHost):
    """A Fedora CoreOS whose deployments are commits."""

    def __init__(self) -> None:
        super().__init__()
        self.deployments = [self._entry(OLD, booted=True)]
        self.programs["rpm-ostree"] = self._rpm_ostree

    @staticmethod
    def _entry(release: Release, **more: bool) -> dict[str, object]:
        return {"checksum": release.digest[7:], "version": release.version, **more}

    def _rpm_ostree(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        if argv[0] == "status":
            return 0, json.dumps({"deployments": self.deployments}), ""
        if argv[0] == "deploy":
            locked = {"staged": True, "finalization-locked": True}
            self.deployments.insert(0, self._entry(NEW, **locked))
            return 0, "Writing objects: 80%\n", ""
        if argv[0] == "finalize-deployment":
            for each in self.deployments:
                each["booted"] = False
            self.deployments[0] = self._entry(NEW, booted=True)
            self.boot()
            return 0, "", ""
        if argv[0] == "rollback":
            self.deployments.insert(0, self.deployments.pop(1))
            return 0, "", ""
        raise AssertionError(argv)


def test_rpm_ostree_stages_locked_finalizes_and_rolls_back() -> None:
    async def story() -> None:
        box = RpmOstreeBox()
        machine = RpmOstree(box)
        percents: list[int] = []
        await machine.stage(NEW, percents.append, "r-1/n/stage/0")
        seen = await machine.observe()
        assert (seen.booted, seen.staged, seen.boot_id) == (OLD, NEW, "boot-1")
        assert percents[-1] == 100
        await machine.reboot()
        seen = await machine.observe()
        assert (seen.booted, seen.rollback, seen.boot_id) == (NEW, OLD, "boot-2")
        await machine.roll_back()
        await machine.roll_back()
        assert (await machine.observe()).staged == OLD

    asyncio.run(story())


def test_updater_of_the_distribution_is_named_and_nothing_is_begun() -> None:
    box = RpmOstreeBox()
    box.others = ["unit\tZincati upgrades this machine: systemctl disable --now zincati.service"]
    with pytest.raises(MachineError, match=r"Zincati.*systemctl disable --now zincati\.service"):
        asyncio.run(RpmOstree(box).stage(NEW, lambda _: None))
    assert not box.started


@pytest.mark.parametrize("machine", [RpmOstree, Ostree, lambda box: Rauc(box, "/x/{version}.raucb")])
def test_machine_with_another_rebooter_or_an_unknown_one_is_not_staged(
    machine: Callable[[FakeHost], Family],
) -> None:
    box = RpmOstreeBox()
    box.programs["ostree"] = lambda argv: (0, recorded.OSTREE_VERSIONS, "")
    box.others = ["pod\tkured reboots this machine by itself: take its DaemonSet off this node"]
    with pytest.raises(MachineError, match=r"kured reboots this machine by itself.*DaemonSet"):
        asyncio.run(machine(box).stage(NEW, lambda _: None))
    assert not box.started
    box.others = ["bash: sed: command not found"]
    with pytest.raises(MachineError, match=r"was interrupted.*sed"):
        asyncio.run(machine(box).stage(NEW, lambda _: None))
    assert not box.started


def test_scheduled_reboot_of_another_party_is_left_alone() -> None:
    box = RpmOstreeBox()
    asyncio.run(RpmOstree(box).stage(NEW, lambda _: None))
    box.others = ["unit\tuupd upgrades this machine", "scheduled\ta reboot is scheduled: shutdown -c"]
    with pytest.raises(MachineError, match=r"leaves this machine alone: a reboot is scheduled: shutdown -c$"):
        asyncio.run(RpmOstree(box).reboot())
    assert box.boots == 1
    box.others = box.others[:1]
    asyncio.run(RpmOstree(box).reboot())
    assert box.boots == 2


def test_ostree_keeps_the_origin_when_it_stages_and_when_it_rolls_back() -> None:
    async def story() -> None:
        box = FakeHost()
        calls: list[tuple[str, ...]] = []

        def program(argv: tuple[str, ...]) -> tuple[int, str, str]:
            if argv[1] == "status":
                return 0, recorded.OSTREE_VERSIONS, ""
            calls.append(argv)
            return 0, "", ""

        box.programs["ostree"] = program
        await Ostree(box).stage(NEW, lambda _: None)
        await Ostree(box).roll_back()
        assert calls[0] == ("admin", "upgrade", f"--override-commit={'b' * 64}", "--allow-downgrade")
        assert any(word.startswith("--origin-file=/sysroot") for word in calls[-1])
        with pytest.raises(MachineError, match="commit"):
            await Ostree(box).stage(Release("2.0"), lambda _: None)

    asyncio.run(story())


class FlatcarBox(FakeHost):
    """`flatcar-update` is run by a script; masked, update-engine is asked for nothing."""

    def __init__(self, *, masked: bool = False) -> None:
        super().__init__()
        self.files["/etc/os-release"] = "ID=flatcar\nVERSION_ID=4081.2.0\n"
        self.text = recorded.UPDATE_ENGINE_IDLE
        self.masked = masked
        if not masked:
            self.active.add(flatcar.SERVICE)
        self.programs |= {"update_engine_client": self._client, "sh": self._script}

    def stop(self) -> None:
        """As a user who masks it again."""
        self.active.clear()
        self.masked = True

    def _client(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        assert flatcar.SERVICE in self.active, "its client would look for it for half a minute"
        return 0, self.text, ""

    def _script(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        if argv == ("-c", flatcar.OTHER):
            return 3, "", ""
        self.masked = False
        self.active.add(flatcar.SERVICE)
        if "reset_status" in argv[1]:
            self.text = recorded.UPDATE_ENGINE_IDLE
            self.files.pop(flatcar.COMPLETED, None)
            return 0, "", ""
        assert flatcar.COMPLETED not in self.files, "flatcar-update refuses where an update waits"
        version, *options = argv[3:]
        self.text = recorded.UPDATE_ENGINE
        self.files |= {flatcar.COMPLETED: "", flatcar.NOTE: version}
        if options:
            assert options == ["--disable-afterwards"]
            self.files[flatcar.SETTINGS] = "SERVER=disabled\n"
        return 0, "", ""

    def _run(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        if argv[:2] == ("systemctl", "is-enabled"):
            return (1, "masked\n", "") if self.masked else (0, "enabled\n", "")
        return super()._run(argv)


def test_flatcar_reports_its_own_staging_where_update_engine_does_not() -> None:
    async def story() -> None:
        box = FlatcarBox()
        machine = Flatcar(box)
        assert (await machine.observe()).staged is None
        await machine.stage(Release("4152.1.0"), lambda _: None)
        seen = await machine.observe()
        assert (seen.booted, seen.staged) == (Release("4081.2.0"), Release("4152.1.0"))
        assert flatcar.SETTINGS not in box.files
        box.files.pop(flatcar.NOTE)
        assert (await machine.observe()).staged == Release("unknown: not staged by fleet")

    asyncio.run(story())


def test_flatcar_with_a_masked_update_engine_is_staged_and_stays_without_automatic_updates() -> None:
    async def story() -> None:
        box = FlatcarBox(masked=True)
        machine = Flatcar(box)
        seen = await machine.observe()
        assert (seen.booted, seen.staged) == (Release("4081.2.0"), None)
        await machine.stage(Release("4152.1.0"), lambda _: None)
        assert (await machine.observe()).staged == Release("4152.1.0")
        await machine.stage(Release("4152.1.0"), lambda _: None)
        assert len(box.started) == 1
        assert box.files[flatcar.SETTINGS] == "SERVER=disabled\n"
        # Masked again, or stopped, before the reboot.
        box.stop()
        assert (await machine.observe()).staged == Release("4152.1.0")
        # And another version instead: the one that waits is given up first.
        await machine.stage(Release("4152.2.0"), lambda _: None)
        assert (await machine.observe()).staged == Release("4152.2.0")
        box.boot()
        box.stop()
        assert (await machine.observe()).staged is None

    asyncio.run(story())


def test_masked_flatcar_with_its_own_server_keeps_both() -> None:
    box = FlatcarBox(masked=True)
    box.files[flatcar.SETTINGS] = "GROUP=stable\nSERVER=https://nebraska.example/v1/update\n"
    with pytest.raises(MachineError, match=r"is masked.*SERVER=https://nebraska\.example.*SERVER=disabled"):
        asyncio.run(Flatcar(box).stage(Release("4152.1.0"), lambda _: None))
    assert box.masked and not box.started
    box.files[flatcar.SETTINGS] = "SERVER=disabled\n"
    asyncio.run(Flatcar(box).stage(Release("4152.1.0"), lambda _: None))


@pytest.mark.parametrize(
    "text",
    [
        recorded.UPDATE_ENGINE_IDLE.replace("UPDATE_STATUS_IDLE", "UPDATE_STATUS_ATTEMPTING_ROLLBACK"),
        recorded.UPDATE_ENGINE_IDLE.replace("UPDATE_STATUS_IDLE", "(null)"),
        "",
    ],
)
def test_flatcar_with_a_silent_update_engine_is_observed_and_not_staged(text: str) -> None:
    async def story() -> None:
        box = FlatcarBox()
        box.text = text
        seen = await Flatcar(box).observe()
        assert seen.booted == Release("4081.2.0")
        assert seen.boots_next().version.startswith("unknown: ")
        with pytest.raises(MachineError, match="update_engine's status is not understood"):
            await Flatcar(box).stage(Release("4152.1.0"), lambda _: None)
        assert not box.started

    asyncio.run(story())


def test_rauc_reverts_a_bundle_that_wrote_another_version() -> None:
    async def story() -> None:
        box = FakeHost()
        status = json.loads(recorded.RAUC_113)

        def program(argv: tuple[str, ...]) -> tuple[int, str, str]:
            if argv[0] == "install":
                status["boot_primary"] = "rootfs.1"
                status["slots"][0]["rootfs.1"]["slot_status"] = {"bundle": {"version": "9.9"}}
            elif argv[1] == "mark-active":
                status["boot_primary"] = "rootfs.0"
            return 0, json.dumps(status), ""

        box.programs["rauc"] = program
        with pytest.raises(MachineError, match=r"wrote 9\.9, not 2\.0"):
            await Rauc(box, "https://updates.example/{version}.raucb").stage(NEW, lambda _: None)
        assert status["boot_primary"] == "rootfs.0"
        with pytest.raises(MachineError, match=r"\{version\}"):
            await Rauc(box).stage(NEW, lambda _: None)

    asyncio.run(story())


class RaucBox(FakeHost):
    """Two slots and a rescue slot, of which B has booted."""

    def __init__(self) -> None:
        super().__init__()
        self.files["/etc/os-release"] = "ID=poky\nVERSION_ID=4.0\n"
        self.status = json.loads(recorded.RAUC_RESCUE)
        self.programs["rauc"] = self._rauc

    def _rauc(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        if argv[:2] == ("status", "mark-active"):
            self.status["boot_primary"] = argv[2]
        return 0, json.dumps(self.status), ""


def test_rauc_makes_the_other_slot_the_next_and_not_the_rescue_slot() -> None:
    async def story() -> None:
        box = RaucBox()
        machine = Rauc(box, "/x/{version}.raucb")
        assert (await machine.observe()).rollback == Release("1.0", "sha256:OLD")
        for _ in range(2):
            await machine.roll_back()
            seen = await machine.observe()
            assert (seen.staged, seen.rollback) == (Release("1.0", "sha256:OLD"), None)
        box.status["boot_primary"] = None
        await machine.roll_back()
        assert box.status["boot_primary"] == "rootfs.0"

    asyncio.run(story())


def test_rauc_booted_from_another_medium_is_recognised_and_not_staged() -> None:
    async def story() -> None:
        box = RaucBox()
        box.status["booted"] = "_external_"
        box.status["slots"][4]["rootfs.1"]["state"] = "inactive"
        machine = Rauc(box, "/x/{version}.raucb")
        seen = await machine.observe()
        assert (seen.booted, seen.staged) == (Release("4.0"), Release("2.0", "sha256:NEW"))
        with pytest.raises(MachineError, match="another medium"):
            await machine.stage(Release("3.0"), lambda _: None)
        with pytest.raises(MachineError, match="another medium"):
            await machine.roll_back()
        assert not box.started

    asyncio.run(story())


class BottlerocketBox(FakeHost):
    """Its update API. After a boot it has no status until an action was asked for, and locks it for one look after that."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.status: dict[str, object] | None = None
        self.locked = 0
        self.ends_as = "Success"
        self.booted, self.offers = "1.14.0", "1.15.0"
        self.programs["apiclient"] = self._apiclient

    def boot(self) -> None:
        super().boot()
        if self.status and self.status["update_state"] == "Ready":
            self.booted = self.offers
        self.status = None

    def _apiclient(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        match argv:
            case ("set", setting):
                self.asked.append(setting)
                return 0, "", ""
            case ("raw", "-u", "/os"):
                return 0, json.dumps(json.loads(recorded.BOTTLEROCKET_OS) | {"version_id": self.booted}), ""
            case ("raw", "-u", "/updates/status"):
                return self._told()
            case ("raw", "-u", path, "-m", "POST"):
                self._act(path.removeprefix("/actions/"))
                return 0, "", ""
        raise AssertionError(argv)

    def _told(self) -> tuple[int, str, str]:
        failed = "Failed GET request to '/updates/status': Status {} when GETing /updates/status: {}"
        if self.locked:
            self.locked -= 1
            return 1, "", failed.format(423, "Unable to obtain the update lock")
        if self.status is None:
            return (
                1,
                "",
                failed.format(404, "Update status is uninitialized, refresh-updates to initialize it"),
            )
        return 0, json.dumps(self.status), ""

    def _act(self, action: str) -> None:
        self.asked.append(action)
        if action == "reboot":
            self.boot()
            return
        image = {"version": self.offers, "variant": "aws-k8s-1.27", "arch": "x86_64"}
        state = {"refresh": "Available", "prepare": "Staged", "activate": "Ready", "deactivate": "Staged"}
        kind = action.partition("-")[0]
        ready = kind == "activate"
        self.status = {
            "update_state": state[kind],
            "chosen_update": image,
            "active_partition": {"image": image | {"version": self.booted}, "next_to_boot": not ready},
            "staging_partition": None if kind == "refresh" else {"image": image, "next_to_boot": ready},
            "most_recent_command": {
                "cmd_type": kind,
                "cmd_status": self.ends_as,
                "timestamp": str(len(self.asked)),
            },
        }
        self.locked = 1


def test_bottlerocket_locks_the_version_and_goes_through_its_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bottlerocket, "LOOK", 0)

    async def story() -> None:
        box = BottlerocketBox()
        machine = Bottlerocket(box)
        seen = await machine.observe()
        assert (seen.booted, seen.staged) == (Release("1.14.0"), None)
        await machine.stage(Release("1.15.0"), lambda _: None)
        with pytest.raises(MachineError, match=r"write 1\.15\.1 in the stream"):
            await machine.stage(Release("v1.15.1"), lambda _: None)
        assert box.asked == [
            "updates.version-lock=v1.15.0",
            "refresh-updates",
            "prepare-update",
            "activate-update",
        ]
        assert (await machine.observe()).staged == Release("1.15.0")
        # While somebody's action holds the lock, what boots next is not known, and what is booted is.
        box.locked = 1
        seen = await machine.observe()
        assert seen.booted == Release("1.14.0")
        assert seen.boots_next().version.startswith("unknown: ")
        await machine.reboot()
        seen = await machine.observe()
        assert (seen.booted, seen.staged) == (Release("1.15.0"), None)
        with pytest.raises(MachineError, match="signpost rollback-to-inactive"):
            await machine.roll_back()

    asyncio.run(story())


@pytest.mark.parametrize("ends_as", ["Failed", "Unknown", "Postponed"])
def test_failed_bottlerocket_action_is_reported_by_name(
    ends_as: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bottlerocket, "LOOK", 0)
    box = BottlerocketBox()
    box.ends_as = ends_as
    with pytest.raises(MachineError, match=f"refresh-updates ended as {ends_as}"):
        asyncio.run(Bottlerocket(box).stage(Release("1.15.0"), lambda _: None))


class TalosBox(FakeHost):
    """`talosctl` and the machine behind it. `version` is talosctl's: since 1.13 its own way passes over --stage."""

    def __init__(self, version: tuple[int, int]) -> None:
        super().__init__()
        self.version = version
        self.booted, self.staged, self.drained = "v1.9.0", "", False
        self.programs["talosctl"] = self._talosctl

    def _talosctl(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        assert argv[:2] == ("--nodes", "10.5.0.2")
        match argv[2:]:
            case ("read", "/etc/os-release"):
                return 0, f"ID=talos\nVERSION_ID={self.booted}\n", ""
            case ("read", path):
                return (0, self.files[path], "") if path in self.files else (1, "", "error reading: EPERM")
            case ("get", "metakeys", "-o", "json"):
                key = {"metadata": {"id": 7}, "spec": {"value": self.staged}}
                return 0, json.dumps(key) if self.staged else "", ""
            case ("upgrade", *message):
                return self._upgrade(message)
            case ("reboot", "--wait=false"):
                self._boot()
                return 0, "", ""
        raise AssertionError(argv)

    def _upgrade(self, message: list[str]) -> tuple[int, str, str]:
        known = {"--stage": (1, 18), "--legacy": (1, 18)} if self.version >= (1, 13) else {"--stage": (9, 9)}
        flags = [word for word in message if word in ("--stage", "--legacy")]
        unknown = [flag for flag in flags if flag not in known or self.version >= known[flag]]
        if unknown:
            return 1, "", f"unknown flag: {unknown[0]}\n"
        self.staged = message[-1]
        if self.version >= (1, 13) and "--legacy" not in flags:
            self.drained = True
            self._boot()
        return 0, "NODE ACK STARTED\n", ""

    def _boot(self) -> None:
        self.booted, self.staged = self.staged.rpartition(":")[2] or self.booted, ""
        self.boot()


@pytest.mark.parametrize("version", [(1, 5), (1, 12), (1, 13), (1, 17)])
def test_talos_is_staged_without_a_reboot_by_every_talosctl(version: tuple[int, int]) -> None:
    async def story() -> None:
        box = TalosBox(version)
        machine = Talos(box, "10.5.0.2", "ghcr.io/siderolabs/installer")
        await machine.stage(Release("v1.9.5"), lambda _: None)
        assert not box.drained
        del box.files["/proc/cmdline"]
        seen = await machine.observe()
        assert (seen.booted, seen.staged, seen.boot_id) == (Release("v1.9.0"), Release("v1.9.5"), "boot-1")
        await machine.reboot()
        seen = await machine.observe()
        assert (seen.booted, seen.staged, seen.boot_id) == (Release("v1.9.5"), None, "boot-2")

    asyncio.run(story())


def test_talosctl_that_can_no_longer_stage_is_refused_with_its_message() -> None:
    box = TalosBox((1, 18))
    with pytest.raises(MachineError, match="unknown flag: --stage"):
        asyncio.run(
            Talos(box, "10.5.0.2", "ghcr.io/siderolabs/installer").stage(Release("v1.18.0"), lambda _: None)
        )
    assert box.boots == 1


@pytest.mark.parametrize(("booted", "wanted"), [("v1.9.0", "1.9.5"), ("1.9.0-ours", "v1.9.5")])
def test_version_spelling_that_talos_never_reports_is_not_staged(booted: str, wanted: str) -> None:
    """Talos' own builds have a v, and those of one's own what TAG was when they were built."""
    box = TalosBox((1, 12))
    box.booted = booted
    with pytest.raises(MachineError, match=f"reports its versions as {booted}, so {wanted} would never"):
        asyncio.run(
            Talos(box, "10.5.0.2", "ghcr.io/siderolabs/installer").stage(Release(wanted), lambda _: None)
        )
    assert (box.staged, box.boots) == ("", 1)


COREOS = {"ID": "fedora", "VARIANT_ID": "coreos"}


@pytest.mark.parametrize(
    ("os_release", "commands", "facts", "name"),
    [
        (COREOS, {"rpm-ostree", "bootc", "ostree"}, {"ostree-booted", "bootc-booted"}, "rpm-ostree"),
        ({"ID": "fedora"}, {"rpm-ostree", "bootc", "ostree"}, {"ostree-booted", "bootc-booted"}, "bootc"),
        ({"ID": "debian"}, {"ostree"}, {"ostree-booted"}, "ostree"),
        ({"ID": "flatcar"}, {"update_engine_client"}, set[str](), "flatcar"),
        ({"ID": "amzn"}, {"apiclient"}, set[str](), "bottlerocket"),
        ({"ID": "opensuse-microos"}, {"transactional-update", "snapper"}, set[str](), "transactional-update"),
        ({"ID": "poky"}, {"rauc"}, {"rauc-configured"}, "rauc"),
        ({"ID": "talos"}, set[str](), set[str](), "talos"),
    ],
)
def test_family_is_decided_by_what_is_booted(
    os_release: dict[str, str], commands: set[str], facts: set[str], name: str
) -> None:
    assert family_of(Signs(os_release, frozenset(commands), frozenset(facts))) == name
    assert connect(name, FakeHost())


class PlayedRoot(Local):
    """Runs the look at a machine by a real shell, over files in a folder."""

    def __init__(self, root: Path) -> None:
        super().__init__(("env", f"PATH={root}/bin:/usr/bin:/bin"))
        self.root = root

    async def run(self, argv: Sequence[str], seconds: float = 60.0) -> CommandResult:
        message = [re.sub(r"/(?=(?:etc|run|usr/lib)/)", f"{self.root}/", word) for word in argv]
        return await super().run(message, seconds)


@pytest.mark.parametrize("folder", ["etc", "run", "usr/lib"])
def test_rauc_is_found_wherever_its_configuration_is(tmp_path: Path, folder: str) -> None:
    for file in ("etc/os-release", "bin/rauc"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text("ID=poky\n")
        (tmp_path / file).chmod(0o755)
    host = PlayedRoot(tmp_path)
    with pytest.raises(MachineError, match=r"ID=poky.*rauc"):
        asyncio.run(detect(host))
    (tmp_path / folder / "rauc").mkdir(parents=True)
    (tmp_path / folder / "rauc/system.conf").write_text("")
    assert asyncio.run(detect(host)) == "rauc"


def test_installed_program_alone_decides_nothing() -> None:
    with pytest.raises(MachineError, match=r"ID=debian.*ostree"):
        family_of(Signs({"ID": "debian", "VERSION_ID": "12"}, frozenset({"ostree", "bootc"})))


def test_interrupted_detection_is_not_taken_for_an_answer() -> None:
    with pytest.raises(MachineError, match="was interrupted"):
        parse_signs("ID=debian\n", "has ostree\n")
